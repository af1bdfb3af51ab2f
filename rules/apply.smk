# Consumes: final runs (split `all`) and data/<dataset>/. Produces: results/<experiment>/runs/…/all/…/{probe/,
# applied/<dataset>.h5}, the fitted probe and predictions of recordings without labels, or of another dataset.

from workflow_scripts.experiment.applications import applications, final_results

APPLICATIONS = {f"{RESULTS}/{path}": wanted for _, wanted, path in applications(EXPERIMENT)}
FINALS = [f"{RESULTS}/{path}" for path in final_results(EXPERIMENT)]


rule readout:
    input:
        embeddings=f"{RUN}/embeddings.h5",
        data=PLAN.data,
        split="data/{dataset}/splits/{split}.json",
    output:
        model=f"{RUN}/probe/model.safetensors",
        config=f"{RUN}/probe/config.yaml",
    log:
        f"logs/readout/{RUN_NAME}.log",
    benchmark:
        f"logs/readout/{RUN_NAME}.tsv"
    wildcard_constraints:
        split="all",
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("probe"),
        runtime=PLAN.minutes("probe"),
    params:
        settings=PLAN.settings("probe"),
        folder=lambda wildcards, output: str(Path(output.model).parent),
        code=code_digest("stages.readout"),
    shell:
        "python -m workflow_scripts.stages.readout --log {log:q} --embeddings {input.embeddings:q}"
        " --data {input.data:q} --split {input.split:q} --seed {wildcards.seed} --settings {params.settings:q}"
        " --folder {params.folder:q}"


rule apply:
    input:
        weights=f"{RUN}/embedder/model.safetensors",
        config=f"{RUN}/embedder/config.yaml",
        readout=f"{RUN}/probe/model.safetensors",
        tasks=f"{RUN}/probe/config.yaml",
        data=lambda wildcards: PLAN.data_of(wildcards.target),
        decision=PLAN.decisions_of,
    output:
        f"{RUN}/applied/{{target}}.h5",
    log:
        f"logs/apply/{RUN_NAME}/{{target}}.log",
    benchmark:
        f"logs/apply/{RUN_NAME}/{{target}}.tsv"
    wildcard_constraints:
        method=f"{NEURAL}|{JOINT}",
        split="all",
        target=one_of(EXPERIMENT.cards),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: PLAN.memory_of("embed", wildcards.target, attempt),
        runtime=lambda wildcards, attempt: PLAN.minutes_of("embed", wildcards.target, attempt),
        gpu=1,
    params:
        embedder=lambda wildcards, input: str(Path(input.config).parent),
        readout=lambda wildcards, input: str(Path(input.tasks).parent),
        settings=lambda wildcards, output: PLAN.apply_settings(APPLICATIONS[output[0]]),
        code=PLAN.method_code("apply"),
    shell:
        "python -m workflow_scripts.stages.apply --log {log:q} --embedder {params.embedder:q}"
        " --readout {params.readout:q} --data {input.data:q} --settings {params.settings:q} --output {output:q}"
        " --decision {input.decision:q}"


# The same for methods without a network: no GPU.
use rule apply as apply_control with:
    log:
        f"logs/apply_control/{RUN_NAME}/{{target}}.log",
    benchmark:
        f"logs/apply_control/{RUN_NAME}/{{target}}.tsv"
    wildcard_constraints:
        method=CONTROLS,
        split="all",
        target=one_of(EXPERIMENT.cards),
    resources:
        mem_mb=lambda wildcards, attempt: PLAN.memory_of("transform", wildcards.target, attempt),
        runtime=lambda wildcards, attempt: PLAN.minutes_of("transform", wildcards.target, attempt),
        gpu=0,
