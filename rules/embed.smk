# Consumes: a run's embedder and data/<dataset>/. Produces: results/<experiment>/runs/…/{embeddings.h5, predictions.h5}.


rule embed:
    input:
        weights=f"{RUN}/embedder/model.safetensors",
        config=f"{RUN}/embedder/config.yaml",
        data=PLAN.data,
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
        mem_mb=PLAN.memory("embed"),
        runtime=PLAN.minutes("embed"),
        gpu=1,
    params:
        embedder=lambda wildcards, input: str(Path(input.config).parent),
        precision=EXPERIMENT.config.embedding_precision,
        code=PLAN.method_code("embed"),
    shell:
        "python -m workflow_scripts.stages.embed --log {log:q} --embedder {params.embedder:q}"
        " --data {input.data:q} --split {input.split:q} --precision {params.precision} --output {output:q}"


# The same for methods without a network: no GPU.
use rule embed as transform with:
    log:
        f"logs/transform/{RUN_NAME}.log",
    benchmark:
        f"logs/transform/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=CONTROLS,
    resources:
        mem_mb=PLAN.memory("transform"),
        runtime=PLAN.minutes("transform"),
        gpu=0,


rule predict:
    input:
        weights=f"{RUN}/embedder/model.safetensors",
        config=f"{RUN}/embedder/config.yaml",
        data=PLAN.data,
        split="data/{dataset}/splits/{split}.json",
    output:
        f"{RUN}/predictions.h5",
    log:
        f"logs/predict/{RUN_NAME}.log",
    benchmark:
        f"logs/predict/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=f"{NEURAL}|{JOINT}",
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("predict"),
        runtime=PLAN.minutes("predict"),
        gpu=1,
    params:
        embedder=lambda wildcards, input: str(Path(input.config).parent),
        readout=lambda wildcards: PLAN.run(wildcards).readout,
        tasks=lambda wildcards: EXPERIMENT.tasks(wildcards.dataset),
        code=PLAN.method_code("predict"),
    shell:
        "python -m workflow_scripts.stages.predict --log {log:q} --embedder {params.embedder:q}"
        " --data {input.data:q} --split {input.split:q} --task {params.tasks:q} --readout {params.readout}"
        " --output {output:q}"


# The same for methods without a network: no GPU.
use rule predict as predict_control with:
    log:
        f"logs/predict_control/{RUN_NAME}.log",
    benchmark:
        f"logs/predict_control/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=CONTROLS,
    resources:
        mem_mb=PLAN.memory("transform"),
        runtime=PLAN.minutes("transform"),
        gpu=0,
