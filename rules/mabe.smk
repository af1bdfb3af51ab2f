# Consumes: embeddings of runs on MABe 2022 data, their labels and split. Produces: results/<experiment>/runs/…/
# {submission.npy, mabe_compat.csv, mabe_sound.csv, mabe_counts.csv} and sections/mabe_<dataset>/ for the report.

from workflow_scripts.evaluation.mabe.cards import evaluator_files

MABE = {name: files for name, files in evaluator_files(EXPERIMENT.cards).items() if EXPERIMENT.tasks(name)}


rule submission:
    input:
        embeddings=PLAN.of_trained("embeddings.h5"),
        map=lambda wildcards: PLAN.resource(wildcards.dataset, MABE[wildcards.dataset]["labels"]),
    output:
        f"{RUN}/submission.npy",
    log:
        f"logs/submission/{RUN_NAME}.log",
    benchmark:
        f"logs/submission/{RUN_NAME}.tsv"
    wildcard_constraints:
        dataset=one_of(MABE),
        method=NEURAL,
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(1500),
        runtime=120,
    params:
        # The original BAMS standardises every frame position over all clips; `sound` leaves that to the evaluator.
        zscore=lambda wildcards: "--position-zscore" if wildcards.mode == "faithful" else "",
        code=code_digest("stages.submission"),
    shell:
        "python -m workflow_scripts.stages.submission --log {log:q} --embeddings {input.embeddings:q}"
        " --map {input.map:q} {params.zscore} --output {output:q}"


# The same for controls, whose submissions nobody hands in.
use rule submission as control_submission with:
    output:
        temp(f"{RUN}/submission.npy"),
    log:
        f"logs/control_submission/{RUN_NAME}.log",
    benchmark:
        f"logs/control_submission/{RUN_NAME}.tsv"
    wildcard_constraints:
        dataset=one_of(MABE),
        method=CONTROLS,


rule mabe:
    input:
        submission=f"{RUN}/submission.npy",
        labels=lambda wildcards: PLAN.resource(wildcards.dataset, MABE[wildcards.dataset]["labels"]),
        split=lambda wildcards: PLAN.resource(wildcards.dataset, MABE[wildcards.dataset]["split"]),
    output:
        compat=f"{RUN}/mabe_compat.csv",
        sound=f"{RUN}/mabe_sound.csv",
        counts=f"{RUN}/mabe_counts.csv",
    log:
        f"logs/mabe/{RUN_NAME}.log",
    benchmark:
        f"logs/mabe/{RUN_NAME}.tsv"
    wildcard_constraints:
        dataset=one_of(MABE),
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=240,
    params:
        animal=lambda wildcards: MABE[wildcards.dataset]["animal"],
        settings=PLAN.settings("intervals"),
        code=code_digest("stages.mabe"),
    shell:
        "python -m workflow_scripts.stages.mabe --log {log:q} --submission {input.submission:q}"
        " --labels {input.labels:q} --split {input.split:q} --animal {params.animal}"
        " --settings {params.settings:q} --compat {output.compat:q} --sound {output.sound:q}"
        " --counts {output.counts:q}"


rule mabe_section:
    input:
        tables=lambda wildcards: [
            f"{RESULTS}/{run.path()}/mabe_{name}.csv"
            for run in EXPERIMENT.runs
            for name in ("compat", "sound", "counts")
            if run.dataset == wildcards.dataset
        ],
    output:
        section=f"{RESULTS}/sections/mabe_{{dataset}}/section.json",
        table=f"{RESULTS}/sections/mabe_{{dataset}}/evaluator.csv",
    log:
        f"logs/mabe_section/{EXPERIMENT.name}/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(MABE),
    localrule: True
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(1000),
        runtime=20,
    params:
        experiment=PLAN.resolved,
        config=PLAN.tables_digest,
        results=lambda wildcards, output: str(Path(output.section).parents[2]),
        code=code_digest("stages.mabe_section"),
    shell:
        "python -m workflow_scripts.stages.mabe_section --log {log:q} --config {params.experiment:q}"
        " --results {params.results:q} --dataset {wildcards.dataset} --output {output.section:q}"


SECTIONS += [f"{RESULTS}/sections/mabe_{name}/section.json" for name in MABE]
