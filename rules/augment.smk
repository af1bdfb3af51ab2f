# Consumes: data/<dataset>/images.h5. Produces: data/<dataset>/augmented/<method>/<options>/seed<k>.{h5,csv}, the
# augmented set that a method trains on, and its index.


rule augment:
    input:
        PLAN.data,
    output:
        images="data/{dataset}/augmented/{method}/{copies}/seed{seed}.h5",
        index="data/{dataset}/augmented/{method}/{copies}/seed{seed}.csv",
    log:
        "logs/augment/{dataset}/{method}/{copies}/seed{seed}.log",
    benchmark:
        "logs/augment/{dataset}/{method}/{copies}/seed{seed}.tsv"
    wildcard_constraints:
        dataset=PLAN.datasets("images"),
        copies=r"[A-Za-z0-9~,._-]+",
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(3000),
        runtime=60,
    params:
        options=lambda wildcards, output: as_json(EXPERIMENT.augmentations[output.images][1]),
        code=PLAN.method_code("augment"),
    shell:
        "python -m workflow_scripts.stages.augment --log {log:q} --method {wildcards.method}"
        " --options {params.options:q} --seed {wildcards.seed} --data {input:q} --index {output.index:q}"
        " --output {output.images:q}"
