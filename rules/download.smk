# Consumes: the cards. Produces: resources/<dataset>/<file>, verified and read-only.
# The only rules that touch the network (download) or stand in for it (simulate, for twins).


# Where a verified file came from does not change it, so mirrors and time-outs are no parameters of the rule
# (which would download again when they change); the stage gets them through the environment.
rule download:
    output:
        "resources/{dataset}/{file}",
    log:
        "logs/download/{dataset}/{file}.log",
    wildcard_constraints:
        dataset=PLAN.downloaded(),
        file=r"(?:(?!\.unpacked/).)+",
    localrule: True
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(500),
        runtime=240,
    params:
        file=lambda wildcards: EXPERIMENT.cards[wildcards.dataset]
        .file(wildcards.file)
        .model_dump_json(exclude={"urls"}),
        contents=lambda wildcards: PLAN.contents(wildcards.dataset, [wildcards.file]),
    shell:
        'python -m workflow_scripts.stages.download --log {log:q} --card "$ETHOMAKE_NOTES"/cards/{wildcards.dataset}.json'
        " --file {wildcards.file:q} --output {output:q}"


rule simulate:
    output:
        "resources/{dataset}/{file}",
    log:
        "logs/simulate/{dataset}/{file}.log",
    benchmark:
        "logs/simulate/{dataset}/{file}.tsv"
    wildcard_constraints:
        dataset=PLAN.twins(),
        file=r"(?:(?!\.unpacked/).)+",
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=30,
    params:
        inputs=PLAN.inputs("file", "file"),
        code=lambda wildcards: simulate_code(EXPERIMENT.cards[wildcards.dataset]),
    shell:
        'python -m workflow_scripts.stages.simulate --log {log:q} --card "$ETHOMAKE_NOTES"/cards/{wildcards.dataset}.json'
        " --path {wildcards.file:q} --output {output:q}"


rule unpack:
    input:
        "resources/{dataset}/{archive}",
    output:
        "resources/{dataset}/{archive}.unpacked/{member}",
    log:
        "logs/unpack/{dataset}/{archive}/{member}.log",
    wildcard_constraints:
        archive=r"(?:(?!\.unpacked/).)+",
        member=".+",
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(500),
        runtime=60,
    params:
        code=code_digest("stages.unpack"),
    shell:
        "python -m workflow_scripts.stages.unpack --log {log:q} --archive {input:q}"
        " --member {wildcards.member:q} --output {output:q}"
