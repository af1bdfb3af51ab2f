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
        dataset=one_of(REMOTE),
        file=r"(?:(?!\.unpacked/).)+",
    localrule: True
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(500),
        runtime=240,
    params:
        local=lambda wildcards: CARDS[wildcards.dataset].local or "",
        file=lambda wildcards: CARDS[wildcards.dataset].file(wildcards.file).model_dump_json(),
        mirror_name=lambda wildcards: CARDS[wildcards.dataset].mirror or wildcards.dataset,
    shell:
        "python -m workflow_scripts.stages.download --log {log:q} --file {params.file:q}"
        " --mirror-name {params.mirror_name:q} --local={params.local:q} --output {output:q}"


rule simulate:
    output:
        "resources/{dataset}/{file}",
    log:
        "logs/simulate/{dataset}/{file}.log",
    benchmark:
        "logs/simulate/{dataset}/{file}.tsv"
    wildcard_constraints:
        dataset=one_of(TWINS),
        file=r"(?:(?!\.unpacked/).)+",
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=30,
    params:
        card=lambda wildcards: CARDS[wildcards.dataset].around(wildcards.file).model_dump_json(exclude_defaults=True),
        code=lambda wildcards: code_digest(
            "stages.simulate",
            f"simulate.{CARDS[wildcards.dataset].simulate.generator}",
        ),
    shell:
        "python -m workflow_scripts.stages.simulate --log {log:q} --card {params.card:q}"
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
