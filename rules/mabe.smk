# Consumes: embeddings of runs on MABe 2022 data, their labels and split. Produces: results/<experiment>/runs/…/
# {submission.npy, mabe_compat.csv, mabe_sound.csv, mabe_counts.csv} and sections/{mabe,latents}_<dataset>/ for the report.


rule submission:
    input:
        embeddings=f"{RUN}/embeddings.h5",
        map=lambda wildcards: MABE[wildcards.dataset]["labels"],
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
        labels=lambda wildcards: MABE[wildcards.dataset]["labels"],
        split=lambda wildcards: MABE[wildcards.dataset]["split"],
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
        settings=lambda wildcards: settings(wildcards, "intervals"),
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
        config=ancient(f"{RESULTS}/provenance/configuration.json"),
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
        config=CONFIG_DIGEST,
        results=lambda wildcards, output: str(Path(output.section).parents[2]),
        code=code_digest("stages.mabe_section"),
    shell:
        'python -m workflow_scripts.stages.mabe_section --log {log:q} --root "$ETHOMAKE_ROOT" --config {input.config:q}'
        " --results {params.results:q} --dataset {wildcards.dataset} --output {output.section:q}"


SECTIONS += [f"{RESULTS}/sections/mabe_{name}/section.json" for name in MABE]


# Maps of the latents of each dataset's first BAMS run.
rule latents:
    input:
        embeddings=lambda wildcards: f"{RESULTS}/{LATENTS[wildcards.dataset].path()}/embeddings.h5",
        tracks="data/{dataset}/tracks.h5",
    output:
        section=f"{RESULTS}/sections/latents_{{dataset}}/section.json",
        table=f"{RESULTS}/sections/latents_{{dataset}}/latents.csv",
        figure=f"{RESULTS}/sections/latents_{{dataset}}/latents.png",
    log:
        f"logs/latents/{EXPERIMENT.name}/{{dataset}}.log",
    benchmark:
        f"logs/latents/{EXPERIMENT.name}/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=one_of(LATENTS),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=scaled(1500),
        runtime=60,
    params:
        tasks=lambda wildcards: EXPERIMENT.tasks(wildcards.dataset),
        code=code_digest("stages.latents"),
    shell:
        "python -m workflow_scripts.stages.latents --log {log:q} --embeddings {input.embeddings:q}"
        " --tracks {input.tracks:q} --task {params.tasks:q} --dataset {wildcards.dataset} --output {output.section:q}"


SECTIONS += [f"{RESULTS}/sections/latents_{name}/section.json" for name in LATENTS]
