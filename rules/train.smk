# Consumes: data/<dataset>/. Produces: results/<experiment>/runs/…/{hparams.yaml, metrics.csv, weights_*.safetensors,
# embedder/}.


rule train:
    input:
        data=PLAN.data,
        split="data/{dataset}/splits/{split}.json",
        audit="data/{dataset}/leaks.csv",
        augmented=lambda wildcards: EXPERIMENT.augmented(PLAN.run(wildcards)) or [],
        # Weights to start from may be those of another run, which then comes first.
        named=lambda wildcards: EXPERIMENT.named_files(PLAN.run(wildcards)),
    output:
        hparams=f"{RUN}/hparams.yaml",
        metrics=f"{RUN}/metrics.csv",
        best=f"{RUN}/weights_best.safetensors",
        last=f"{RUN}/weights_last.safetensors",
        card=f"{RUN}/model_card.md",
    log:
        f"logs/train/{RUN_NAME}.log",
    benchmark:
        f"logs/train/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=NEURAL,
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("train"),
        runtime=PLAN.minutes("train"),
        gpu=PLAN.gpus,
    params:
        folder=lambda wildcards, output: str(Path(output.hparams).parent),
        options=PLAN.options,
        augmented=lambda wildcards, input: f"--augmented {input.augmented}" if input.augmented else "",
        code=PLAN.method_code("train"),
    shell:
        "python -m workflow_scripts.stages.train --log {log:q} --method {wildcards.method}"
        " --options {params.options:q} --data {input.data:q} --split {input.split:q}"
        " {params.augmented} --seed {wildcards.seed} --code {params.code} --folder {params.folder:q}"


# The same for methods without a network, so that a cluster can tell the two apart by name: no GPU.
use rule train as fit with:
    log:
        f"logs/fit/{RUN_NAME}.log",
    benchmark:
        f"logs/fit/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=CONTROLS,
    resources:
        mem_mb=PLAN.memory("fit"),
        runtime=PLAN.minutes("fit"),
        gpu=0,


rule export_embedder:
    input:
        hparams=f"{RUN}/hparams.yaml",
        weights=f"{RUN}/weights_best.safetensors",
    output:
        weights=f"{RUN}/embedder/model.safetensors",
        config=f"{RUN}/embedder/config.yaml",
    log:
        f"logs/export_embedder/{RUN_NAME}.log",
    wildcard_constraints:
        method=NEURAL,
    localrule: True
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=scaled(1000),
        runtime=10,
    params:
        folder=lambda wildcards, input: str(Path(input.hparams).parent),
        code=code_digest("stages.export_embedder"),
    shell:
        "python -m workflow_scripts.stages.export_embedder --log {log:q} --folder {params.folder:q}"


# The same for controls: on a cluster it stays between `fit` and `transform` in one submission.
use rule export_embedder as export_control with:
    log:
        f"logs/export_control/{RUN_NAME}.log",
    wildcard_constraints:
        method=CONTROLS,
    localrule: False
