# Consumes: predictions of runs on videos. Produces: results/<experiment>/{tables/video_scores.csv, sections/videos/}:
# precision, recall and F1 by class and by video.

VIDEO_RUNS = [run for run in EXPERIMENT.predicting_runs() if EXPERIMENT.cards[run.dataset].kind == "clips"]
VIDEO_SECTION = f"{RESULTS}/sections/videos/section.json"
if VIDEO_RUNS:
    SECTIONS.append(VIDEO_SECTION)


rule video_scores:
    input:
        predictions=PLAN.of_runs(VIDEO_RUNS, "predictions.h5"),
    output:
        table=f"{RESULTS}/tables/video_scores.csv",
        section=VIDEO_SECTION,
        classes=f"{RESULTS}/sections/videos/classes.csv",
        videos=f"{RESULTS}/sections/videos/videos.csv",
    log:
        f"logs/video_scores/{EXPERIMENT.name}.log",
    benchmark:
        f"logs/video_scores/{EXPERIMENT.name}.tsv"
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(1500),
        runtime=30,
    params:
        experiment=PLAN.resolved,
        config=PLAN.tables_digest,
        results=lambda wildcards, output: str(Path(output.section).parents[2]),
        code=code_digest("stages.video_scores"),
    shell:
        "python -m workflow_scripts.stages.video_scores --log {log:q}"
        " --config {params.experiment:q} --results {params.results:q} --table {output.table:q}"
        " --section {output.section:q}"
