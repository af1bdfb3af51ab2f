# Consumes: embeddings and labels. Produces: results/<experiment>/runs/…/{probe.csv, probe_predictions.h5}, the same
# for chance, and over all folds together.

CHANCE_METHODS = one_of(sorted({run.method for run in EXPERIMENT.chance_runs}))
FAMILIES = one_of(sorted({run.family for run in EXPERIMENT.probe_runs() if run.family != run.split}))
SINGLE_SPLITS = one_of(sorted({run.split for run in EXPERIMENT.probe_runs()}))


rule probe:
    input:
        embeddings=PLAN.of_trained("embeddings.h5"),
        tracks=PLAN.data,
        split="data/{dataset}/splits/{split}.json",
    output:
        table=f"{RUN}/probe.csv",
        predictions=f"{RUN}/probe_predictions.h5",
        notes=f"{RUN}/probe_notes.json",
        readout=f"{RUN}/probe/model.safetensors",
        tasks=f"{RUN}/probe/config.yaml",
    log:
        f"logs/probe/{RUN_NAME}.log",
    benchmark:
        f"logs/probe/{RUN_NAME}.tsv"
    wildcard_constraints:
        split=SINGLE_SPLITS,
        method=f"{NEURAL}|{JOINT}",
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("probe"),
        runtime=PLAN.minutes("probe"),
    params:
        settings=PLAN.settings("probe", "intervals"),
        readout=lambda wildcards, output: str(Path(output.readout).parent),
        code=code_digest("stages.probe"),
    shell:
        "python -m workflow_scripts.stages.probe --log {log:q} --embeddings {input.embeddings:q}"
        " --tracks {input.tracks:q} --split {input.split:q} --seed {wildcards.seed}"
        " --settings {params.settings:q} --predictions {output.predictions:q} --notes {output.notes:q}"
        " --readout {params.readout:q} --output {output.table:q}"


# The same for controls, so that a cluster can run one from `fit` to here in one submission.
use rule probe as probe_control with:
    log:
        f"logs/probe_control/{RUN_NAME}.log",
    benchmark:
        f"logs/probe_control/{RUN_NAME}.tsv"
    wildcard_constraints:
        split=SINGLE_SPLITS,
        method=CONTROLS,


rule chance:
    input:
        data=PLAN.data,
        split="data/{dataset}/splits/{split}.json",
        audit="data/{dataset}/leaks.csv",
    output:
        table=f"{RUN}/probe.csv",
        predictions=f"{RUN}/probe_predictions.h5",
    log:
        f"logs/chance/{RUN_NAME}.log",
    benchmark:
        f"logs/chance/{RUN_NAME}.tsv"
    wildcard_constraints:
        split=SINGLE_SPLITS,
        method=CHANCE_METHODS,
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("chance"),
        runtime=PLAN.minutes("chance"),
    params:
        settings=PLAN.settings("intervals"),
        code=code_digest("stages.chance"),
    shell:
        "python -m workflow_scripts.stages.chance --log {log:q} --method {wildcards.method}"
        " --data {input.data:q} --split {input.split:q} --seed {wildcards.seed}"
        " --settings {params.settings:q} --predictions {output.predictions:q} --output {output.table:q}"


rule pool:
    input:
        PLAN.of_folds("probe_predictions.h5"),
    output:
        f"{RUN}/probe.csv",
    log:
        f"logs/pool/{RUN_NAME}.log",
    benchmark:
        f"logs/pool/{RUN_NAME}.tsv"
    wildcard_constraints:
        split=FAMILIES,
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("pool"),
        runtime=PLAN.minutes("pool"),
    params:
        settings=PLAN.pool_settings,
        code=code_digest("stages.pool"),
    shell:
        "python -m workflow_scripts.stages.pool --log {log:q} --predictions {input:q}"
        " --settings {params.settings:q} --output {output:q}"


# The same for what a method predicts by itself, in one split or in all folds together.
use rule pool as score with:
    input:
        PLAN.of_folds("predictions.h5"),
    output:
        f"{RUN}/native.csv",
    log:
        f"logs/score/{RUN_NAME}.log",
    benchmark:
        f"logs/score/{RUN_NAME}.tsv"
    wildcard_constraints:
        split=f"{FAMILIES}|{SINGLE_SPLITS}",
