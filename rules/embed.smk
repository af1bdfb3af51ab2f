# Consumes: a run's embedder and data/<dataset>/. Produces: results/<experiment>/runs/…/{embeddings.h5, predictions.h5}.


rule embed:
    input:
        weights=f"{RUN}/embedder/model.safetensors",
        config=f"{RUN}/embedder/config.yaml",
        data=data_of,
        split="data/{dataset}/splits/{split}.json",
    output:
        f"{RUN}/embeddings.h5",
    log:
        f"logs/embed/{RUN_NAME}.log",
    benchmark:
        f"logs/embed/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=NEURAL,
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=memory_for("embed"),
        runtime=minutes_for("embed"),
        gpu=1,
    params:
        embedder=lambda wildcards, input: str(Path(input.config).parent),
        code=lambda wildcards: code_digest("stages.embed", f"methods.{wildcards.method}.method"),
        survive=survive,
    shell:
        "python -m workflow_scripts.stages.embed --log {log:q} --embedder {params.embedder:q}"
        " --data {input.data:q} --split {input.split:q} --output {output:q} {params.survive}"


# The same for methods without a network: no GPU.
use rule embed as transform with:
    log:
        f"logs/transform/{RUN_NAME}.log",
    benchmark:
        f"logs/transform/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=CONTROLS,
    resources:
        mem_mb=memory_for("transform"),
        runtime=minutes_for("transform"),
        gpu=0,


rule predict:
    input:
        weights=f"{RUN}/embedder/model.safetensors",
        config=f"{RUN}/embedder/config.yaml",
        data=data_of,
        split="data/{dataset}/splits/{split}.json",
    output:
        f"{RUN}/predictions.h5",
    log:
        f"logs/predict/{RUN_NAME}.log",
    benchmark:
        f"logs/predict/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=NEURAL,
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=memory_for("predict"),
        runtime=minutes_for("predict"),
        gpu=1,
    params:
        embedder=lambda wildcards, input: str(Path(input.config).parent),
        readout=lambda wildcards: run_of(wildcards).readout,
        tasks=lambda wildcards: EXPERIMENT.tasks(wildcards.dataset),
        code=lambda wildcards: code_digest("stages.predict", f"methods.{wildcards.method}.method"),
        survive=survive,
    shell:
        "python -m workflow_scripts.stages.predict --log {log:q} --embedder {params.embedder:q}"
        " --data {input.data:q} --split {input.split:q} --task {params.tasks:q} --readout {params.readout}"
        " --output {output:q} {params.survive}"
