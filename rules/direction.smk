# Consumes: predictions on images, and a movie. Produces: by run errors.csv, statistics.json, error_by_animal.csv, rose,
# worst frames, movie.mp4, angles; for the report tables/direction_*.csv and sections/direction/.

from workflow_scripts.experiment.image_runs import image_runs, leaking_runs, tagging_runs

IMAGE_RUNS, LEAKING = image_runs(EXPERIMENT), leaking_runs(EXPERIMENT)
IMAGE_METHODS = one_of(sorted({run.method for runs in IMAGE_RUNS.values() for run in runs}))
DIRECTION_SECTION = f"{RESULTS}/sections/direction/section.json"
if IMAGE_RUNS:
    SECTIONS.append(DIRECTION_SECTION)


rule direction:
    input:
        predictions=PLAN.of_folds("predictions.h5"),
        data=PLAN.data,
    output:
        errors=f"{RUN}/errors.csv",
        statistics=f"{RUN}/statistics.json",
        animals=f"{RUN}/error_by_animal.csv",
        bars=f"{RUN}/error_by_animal.png",
        rose=f"{RUN}/rose.png",
        worst=f"{RUN}/worst_frames.png",
    log:
        f"logs/direction/{RUN_NAME}.log",
    benchmark:
        f"logs/direction/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=IMAGE_METHODS,
        split=f"{FAMILIES}|{SINGLE_SPLITS}",
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=30,
    params:
        folder=lambda wildcards, output: str(Path(output.errors).parent),
        code=code_digest("stages.direction"),
    shell:
        "python -m workflow_scripts.stages.direction --log {log:q} --predictions {input.predictions:q}"
        " --data {input.data:q} --folder {params.folder:q}"


rule tag:
    input:
        weights=f"{RUN}/embedder/model.safetensors",
        config=f"{RUN}/embedder/config.yaml",
        movie=lambda wildcards: PLAN.resource(wildcards.dataset, EXPERIMENT.cards[wildcards.dataset].movies[0].file),
    output:
        movie=f"{RUN}/movie.mp4",
        excerpt=f"{RUN}/excerpt.mp4",
        angles=f"{RUN}/angles.csv",
        plot=f"{RUN}/angles.png",
    log:
        f"logs/tag/{RUN_NAME}.log",
    benchmark:
        f"logs/tag/{RUN_NAME}.tsv"
    wildcard_constraints:
        method=IMAGE_METHODS,
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=60,
    params:
        embedder=lambda wildcards, input: str(Path(input.config).parent),
        folder=lambda wildcards, output: str(Path(output.movie).parent),
        inputs=PLAN.inputs("movies"),
        code=code_digest("stages.tag", "methods.rat_direction.method"),
    shell:
        "python -m workflow_scripts.stages.tag --log {log:q} --embedder {params.embedder:q}"
        ' --card "$ETHOMAKE_NOTES"/cards/{wildcards.dataset}.json'
        " --resources resources/{wildcards.dataset} --folder {params.folder:q}"


rule direction_report:
    input:
        judged=[
            f"{RESULTS}/{path}/{name}"
            for path in IMAGE_RUNS
            for name in ("errors.csv", "rose.png", "worst_frames.png")
        ],
        tagged=PLAN.of_runs(tagging_runs(EXPERIMENT), "angles.csv", "angles.png", "excerpt.mp4"),
        leaking=PLAN.of_runs(LEAKING, "embedder/model.safetensors"),
        augmented=sorted({EXPERIMENT.augmented(run) for run in LEAKING}),
    output:
        errors=f"{RESULTS}/tables/direction_errors.csv",
        leak=f"{RESULTS}/tables/direction_leak.csv",
        section=DIRECTION_SECTION,
    log:
        f"logs/direction_report/{EXPERIMENT.name}.log",
    benchmark:
        f"logs/direction_report/{EXPERIMENT.name}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=60,
    params:
        experiment=PLAN.resolved,
        config=PLAN.tables_digest,
        results=lambda wildcards, output: str(Path(output.section).parents[2]),
        code=code_digest("stages.direction_report", "methods.rat_direction.method"),
    shell:
        "python -m workflow_scripts.stages.direction_report --log {log:q} --config {params.experiment:q}"
        " --results {params.results:q} --errors {output.errors:q}"
        " --section {output.section:q}"
