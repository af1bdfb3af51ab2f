# Consumes: hparams.yaml and metrics.csv of the swept runs. Produces: results/<experiment>/leaderboard.csv, which chooses by
# validation and never looks at a test score.


rule leaderboard:
    input:
        # The list may be long: the stage finds the files through the configuration.
        tables=PLAN.of_runs(EXPERIMENT.swept_runs(), "hparams.yaml", "metrics.csv"),
    output:
        f"{RESULTS}/leaderboard.csv",
    log:
        f"logs/leaderboard/{EXPERIMENT.name}.log",
    benchmark:
        f"logs/leaderboard/{EXPERIMENT.name}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=scaled(1000),
        runtime=20,
    params:
        experiment=PLAN.resolved,
        config=PLAN.tables_digest,
        results=lambda wildcards, output: str(Path(output[0]).parent),
        code=code_digest("stages.leaderboard"),
    shell:
        "python -m workflow_scripts.stages.leaderboard --log {log:q} --config {params.experiment:q}"
        " --results {params.results:q} --output {output:q}"
