# Consumes: resources/<dataset>/. Produces: data/<dataset>/{recordings/<shard>.h5, tracks.h5 or images.h5, quality.csv,
# labels.csv, card.md, splits/<name>.json, leaks.csv}, shared by all experiments.


rule convert:
    input:
        shard_files,
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
        mem_mb=memory_for("convert"),
        runtime=minutes_for("convert"),
    params:
        card=lambda wildcards: CARDS[wildcards.dataset].only(wildcards.shard).model_dump_json(exclude_defaults=True),
        keep_going="--keep-going" if EXPERIMENT.config.keep_going else "",
        code=lambda wildcards: code_digest("stages.convert", *sources_of(wildcards)),
    shell:
        "python -m workflow_scripts.stages.convert --log {log:q} --card {params.card:q}"
        " --resources resources/{wildcards.dataset} {params.keep_going} --output {output:q}"


rule tracks:
    input:
        # The list may be long: the stage finds the shards through the card, not on its command line.
        lambda wildcards: [
            f"data/{wildcards.dataset}/recordings/{slugify(shard.id)}.h5" for shard in CARDS[wildcards.dataset].shards
        ],
    output:
        tracks="data/{dataset}/tracks.h5",
        quality="data/{dataset}/quality.csv",
        labels="data/{dataset}/labels.csv",
    log:
        "logs/tracks/{dataset}.log",
    benchmark:
        "logs/tracks/{dataset}.tsv"
    wildcard_constraints:
        dataset=datasets_of("tracks"),
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=memory_for("tracks"),
        runtime=minutes_for("tracks"),
    params:
        code=code_digest("stages.tracks"),
    shell:
        'python -m workflow_scripts.stages.tracks --log {log:q} --card "$ETHOMAKE_ROOT"/config/datasets/{wildcards.dataset}.yaml'
        " --recordings data/{wildcards.dataset}/recordings --quality {output.quality:q}"
        " --labels {output.labels:q} --output {output.tracks:q}"


rule images:
    input:
        lambda wildcards: [
            f"resources/{wildcards.dataset}/{path}"
            for shard in CARDS[wildcards.dataset].shards
            for path in shard.paths()
        ],
    output:
        images="data/{dataset}/images.h5",
        quality="data/{dataset}/quality.csv",
        labels="data/{dataset}/labels.csv",
    log:
        "logs/images/{dataset}.log",
    benchmark:
        "logs/images/{dataset}.tsv"
    wildcard_constraints:
        dataset=datasets_of("images"),
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(3000),
        runtime=60,
    params:
        card=lambda wildcards: CARDS[wildcards.dataset].bare().model_dump_json(exclude_defaults=True),
        keep_going="--keep-going" if EXPERIMENT.config.keep_going else "",
        code=lambda wildcards: code_digest("stages.images", f"sources.{CARDS[wildcards.dataset].source}"),
    shell:
        "python -m workflow_scripts.stages.images --log {log:q} --card {params.card:q}"
        " --resources resources/{wildcards.dataset} {params.keep_going} --quality {output.quality:q}"
        " --labels {output.labels:q} --output {output.images:q}"


rule card:
    input:
        card=f"{ROOT}/config/datasets/{{dataset}}.yaml",
        published=f"{ROOT}/config/published.yaml",
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
        code=code_digest("stages.card"),
    shell:
        "python -m workflow_scripts.stages.card --log {log:q} --card {input.card:q} --output {output:q}"


rule split:
    input:
        data_of,
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
        # Not on the command line, but a change of it makes the split anew.
        splits=lambda wildcards: CARDS[wildcards.dataset].model_dump_json(include={"splits"}),
        code=code_digest("stages.split"),
    shell:
        "python -m workflow_scripts.stages.split --log {log:q} --data {input:q}"
        ' --card "$ETHOMAKE_ROOT"/config/datasets/{wildcards.dataset}.yaml --name {wildcards.split} --output {output:q}'


rule audit:
    input:
        data=data_of,
        splits=lambda wildcards: [
            f"data/{wildcards.dataset}/splits/{name}.json" for name in used_splits(wildcards.dataset)
        ],
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
        mem_mb=memory_for("audit"),
        runtime=minutes_for("audit"),
    params:
        code=code_digest("stages.audit"),
    shell:
        "python -m workflow_scripts.stages.audit --log {log:q} --data {input.data:q} --split {input.splits:q}"
        " --output {output:q}"
