# Consumes: resources/<dataset>/. Produces: data/<dataset>/{recordings/<shard>.h5, tracks.h5 or images.h5, quality.csv,
# labels.csv, card.md, splits/<name>.json, leaks.csv}, shared by all experiments.


rule convert:
    input:
        PLAN.files(PLAN.shard_paths, ancient),
    output:
        "data/{dataset}/recordings/{shard}.h5",
    log:
        "logs/convert/{dataset}/{shard}.log",
    benchmark:
        "logs/convert/{dataset}/{shard}.tsv"
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("convert"),
        runtime=PLAN.minutes("convert"),
    params:
        inputs=PLAN.inputs("recording", "shard"),
        contents=PLAN.content(PLAN.shard_paths),
        code=PLAN.convert_code,
    shell:
        'python -m workflow_scripts.stages.convert --log {log:q} --card "$ETHOMAKE_NOTES"/cards/{wildcards.dataset}.json'
        " --shard {wildcards.shard} --resources resources/{wildcards.dataset} --output {output:q}"


rule tracks:
    input:
        # The list may be long: the stage finds the shards through the card, not on its command line.
        PLAN.shard_files("data/{dataset}/recordings/{shard}.h5"),
    output:
        tracks="data/{dataset}/tracks.h5",
        quality="data/{dataset}/quality.csv",
        labels="data/{dataset}/labels.csv",
    log:
        "logs/tracks/{dataset}.log",
    benchmark:
        "logs/tracks/{dataset}.tsv"
    wildcard_constraints:
        dataset=PLAN.datasets("tracks"),
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("tracks"),
        runtime=PLAN.minutes("tracks"),
    params:
        code=code_digest("stages.tracks"),
    shell:
        'python -m workflow_scripts.stages.tracks --log {log:q} --card "$ETHOMAKE_NOTES"/cards/{wildcards.dataset}.json'
        " --recordings data/{wildcards.dataset}/recordings --quality {output.quality:q}"
        " --labels {output.labels:q} --output {output.tracks:q}"


rule images:
    input:
        PLAN.files(PLAN.all_paths, ancient),
    output:
        images="data/{dataset}/images.h5",
        quality="data/{dataset}/quality.csv",
        labels="data/{dataset}/labels.csv",
    log:
        "logs/images/{dataset}.log",
    benchmark:
        "logs/images/{dataset}.tsv"
    wildcard_constraints:
        dataset=PLAN.datasets("images"),
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(3000),
        runtime=60,
    params:
        inputs=PLAN.inputs("dataset"),
        contents=PLAN.content(PLAN.all_paths),
        code=lambda wildcards: code_digest("stages.images", f"sources.{EXPERIMENT.cards[wildcards.dataset].source}"),
    shell:
        'python -m workflow_scripts.stages.images --log {log:q} --card "$ETHOMAKE_NOTES"/cards/{wildcards.dataset}.json'
        " --resources resources/{wildcards.dataset} --quality {output.quality:q}"
        " --labels {output.labels:q} --output {output.images:q}"


rule card:
    output:
        "data/{dataset}/card.md",
    log:
        "logs/card/{dataset}.log",
    localrule: True
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(500),
        runtime=5,
    params:
        card=lambda wildcards: EXPERIMENT.cards[wildcards.dataset].model_dump_json(exclude={"shards", "local"}),
        code=code_digest("stages.card"),
    shell:
        'python -m workflow_scripts.stages.card --log {log:q} --card "$ETHOMAKE_NOTES"/cards/{wildcards.dataset}.json'
        " --output {output:q}"


rule split:
    input:
        PLAN.data,
    output:
        "data/{dataset}/splits/{split}.json",
    log:
        "logs/split/{dataset}/{split}.log",
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(500),
        runtime=10,
    params:
        # Not on the command line, but a change of it makes the split again.
        definition=PLAN.split_definition,
        code=code_digest("stages.split"),
    shell:
        "python -m workflow_scripts.stages.split --log {log:q} --data {input:q}"
        ' --card "$ETHOMAKE_NOTES"/cards/{wildcards.dataset}.json --name {wildcards.split} --output {output:q}'


rule audit:
    input:
        PLAN.data,
    output:
        "data/{dataset}/leaks.csv",
    log:
        "logs/audit/{dataset}.log",
    benchmark:
        "logs/audit/{dataset}.tsv"
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("audit"),
        runtime=PLAN.minutes("audit"),
    params:
        # All splits of the card, so that experiments which use different ones share the table.
        definitions=PLAN.split_definitions,
        code=code_digest("stages.audit"),
    shell:
        "python -m workflow_scripts.stages.audit --log {log:q} --data {input:q}"
        ' --card "$ETHOMAKE_NOTES"/cards/{wildcards.dataset}.json --output {output:q}'
