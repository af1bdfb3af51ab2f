# Consumes: embeddings, tracks and labels. Produces, where the experiment has a section `motifs`:
# results/<experiment>/runs/…/motifs/, and sections/motifs_<dataset>/ for the report.

MOTIF_METHOD = one_of([EXPERIMENT.config.motifs.method] if EXPERIMENT.config.motifs else [])
MOTIF_STATES = EXPERIMENT.config.motifs.states() if EXPERIMENT.config.motifs else []
MOTIF_SETTINGS = EXPERIMENT.config.motifs.model_dump_json() if EXPERIMENT.config.motifs else "{}"
# The first segmented run of each dataset.
MOTIF_RUNS = {run.dataset: run for run in reversed(EXPERIMENT.motif_runs())}


# One job per number of states; the recordings' own files lie beside these in the folder.
rule motifs:
    input:
        embeddings=f"{RUN}/embeddings.h5",
        split="data/{dataset}/splits/{split}.json",
    output:
        model=f"{RUN}/motifs/model_hmm{{states}}.npz",
        history=f"{RUN}/motifs/history_hmm{{states}}.csv",
        metrics=f"{RUN}/motifs/metrics_hmm{{states}}.yaml",
    log:
        f"logs/motifs/{RUN_NAME}/hmm{{states}}.log",
    benchmark:
        f"logs/motifs/{RUN_NAME}/hmm{{states}}.tsv"
    wildcard_constraints:
        method=MOTIF_METHOD,
        states=r"\d+",
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(8000),
        runtime=12 * 60,
    params:
        settings=MOTIF_SETTINGS,
        folder=lambda wildcards, output: str(Path(output.model).parent),
        code=code_digest("stages.motifs"),
    shell:
        "python -m workflow_scripts.stages.motifs --log {log:q} --embeddings {input.embeddings:q}"
        " --split {input.split:q} --states {wildcards.states} --settings {params.settings:q} --folder {params.folder:q}"


rule prototypes:
    input:
        models=expand(f"{RUN}/motifs/model_hmm{{states}}.npz", states=MOTIF_STATES, allow_missing=True),
        embeddings=f"{RUN}/embeddings.h5",
        tracks="data/{dataset}/tracks.h5",
        split="data/{dataset}/splits/{split}.json",
    output:
        selection=f"{RUN}/motifs/selection.csv",
        bouts=f"{RUN}/motifs/bouts.csv",
        transitions=f"{RUN}/motifs/transitions.csv",
        labels=f"{RUN}/motifs/label_f1.csv",
        figures=[f"{RUN}/motifs/{name}.{suffix}" for name in ("selection", "transitions") for suffix in ("pdf", "png")],
    log:
        f"logs/prototypes/{RUN_NAME}.log",
    benchmark:
        f"logs/prototypes/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=MOTIF_METHOD,
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=120,
    params:
        settings=MOTIF_SETTINGS,
        folder=lambda wildcards, output: str(Path(output.selection).parent),
        code=code_digest("stages.prototypes"),
    shell:
        "python -m workflow_scripts.stages.prototypes --log {log:q} --embeddings {input.embeddings:q}"
        " --tracks {input.tracks:q} --split {input.split:q} --settings {params.settings:q} --folder {params.folder:q}"


rule motif_section:
    input:
        bouts=lambda wildcards: f"{RESULTS}/{MOTIF_RUNS[wildcards.dataset].path()}/motifs/bouts.csv",
        figures=lambda wildcards: [
            f"{RESULTS}/{MOTIF_RUNS[wildcards.dataset].path()}/motifs/{name}.png"
            for name in ("selection", "transitions")
        ],
    output:
        section=f"{RESULTS}/sections/motifs_{{dataset}}/section.json",
        files=[f"{RESULTS}/sections/motifs_{{dataset}}/{name}" for name in ("motifs.csv", "shares.csv")],
        figures=[f"{RESULTS}/sections/motifs_{{dataset}}/{name}.png" for name in ("selection", "transitions")],
    log:
        f"logs/motif_section/{EXPERIMENT.name}/{{dataset}}.log",
    benchmark:
        f"logs/motif_section/{EXPERIMENT.name}/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=one_of(MOTIF_RUNS),
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(1000),
        runtime=20,
    params:
        method=lambda wildcards: MOTIF_RUNS[wildcards.dataset].method,
        folder=lambda wildcards, input: str(Path(input.bouts).parent),
        code=code_digest("stages.motif_section"),
    shell:
        "python -m workflow_scripts.stages.motif_section --log {log:q} --folder {params.folder:q}"
        " --dataset {wildcards.dataset} --method {params.method:q} --output {output.section:q}"


SECTIONS += [f"{RESULTS}/sections/motifs_{name}/section.json" for name in MOTIF_RUNS]
