# Consumes: LISBET's pretrained runs. Produces: results/<experiment>/runs/…/pretext.csv, how well its tasks are solved.


rule pretext:
    input:
        weights=f"{RUN}/embedder/model.safetensors",
        config=f"{RUN}/embedder/config.yaml",
        tracks="data/{dataset}/tracks.h5",
        split="data/{dataset}/splits/{split}.json",
    output:
        f"{RUN}/pretext.csv",
    log:
        f"logs/pretext/{RUN_NAME}.log",
    benchmark:
        f"logs/pretext/{RUN_NAME}.tsv"
    wildcard_constraints:
        method="lisbet",
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=60,
    params:
        embedder=lambda wildcards, input: str(Path(input.config).parent),
        code=code_digest("stages.pretext"),
    shell:
        "python -m workflow_scripts.stages.pretext --log {log:q} --embedder {params.embedder:q}"
        " --tracks {input.tracks:q} --split {input.split:q} --output {output:q}"
