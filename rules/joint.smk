# Consumes: embedders and embeddings of runs. Produces, for the rows under the key `joint`: results/<experiment>/runs/…/
# {hparams.yaml, metrics.csv, weights_*.safetensors, model_card.md, embedder/, embeddings.h5}; the last is a copy of its
# members' and goes once it has been read.


rule joint_model:
    input:
        data=PLAN.data,
        split="data/{dataset}/splits/{split}.json",
        members=lambda wildcards: EXPERIMENT.named_files(PLAN.run(wildcards)),
    output:
        hparams=f"{RUN}/hparams.yaml",
        metrics=f"{RUN}/metrics.csv",
        best=f"{RUN}/weights_best.safetensors",
        last=f"{RUN}/weights_last.safetensors",
        card=f"{RUN}/model_card.md",
        weights=f"{RUN}/embedder/model.safetensors",
        config=f"{RUN}/embedder/config.yaml",
    log:
        f"logs/joint_model/{RUN_NAME}.log",
    benchmark:
        f"logs/joint_model/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=JOINT,
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=20,
    params:
        folder=lambda wildcards, output: str(Path(output.hparams).parent),
        options=PLAN.options,
        code=PLAN.method_code("joint_model"),
    shell:
        "python -m workflow_scripts.stages.joint_model --log {log:q} --options {params.options:q} --data {input.data:q}"
        " --split {input.split:q} --seed {wildcards.seed} --folder {params.folder:q}"


rule join:
    input:
        PLAN.of_members("embeddings.h5"),
    output:
        temp(f"{RUN}/embeddings.h5"),
    log:
        f"logs/join/{RUN_NAME}.log",
    benchmark:
        f"logs/join/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=JOINT,
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("join"),
        runtime=PLAN.minutes("join"),
    params:
        members=lambda wildcards: list(PLAN.run(wildcards).members),
        precision=EXPERIMENT.config.embedding_precision,
        code=code_digest("stages.join"),
    shell:
        "python -m workflow_scripts.stages.join --log {log:q} --member {params.members:q} --embeddings {input:q}"
        " --precision {params.precision} --output {output:q}"
