# Consumes: embeddings, predictions and metrics of runs. Produces: results/<experiment>/tables/{embedding_maps.csv,
# curves.csv}, small tables that the report draws from.


rule maps:
    input:
        # The list may be long: the stage finds the files through the configuration.
        embeddings=PLAN.of_runs(EXPERIMENT.mapped_runs(), "embeddings.h5"),
        predictions=PLAN.of_runs(EXPERIMENT.mapped_runs(), "probe_predictions.h5"),
        metrics=PLAN.of_runs(EXPERIMENT.runs, "metrics.csv"),
    output:
        maps=f"{RESULTS}/tables/embedding_maps.csv",
        curves=f"{RESULTS}/tables/curves.csv",
    log:
        f"logs/maps/{EXPERIMENT.name}.log",
    benchmark:
        f"logs/maps/{EXPERIMENT.name}.tsv"
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(3000),
        runtime=60,
    params:
        experiment=PLAN.resolved,
        config=PLAN.tables_digest,
        results=lambda wildcards, output: str(Path(output.maps).parents[1]),
        code=code_digest("stages.maps"),
    shell:
        "python -m workflow_scripts.stages.maps --log {log:q} --config {params.experiment:q}"
        " --results {params.results:q} --maps {output.maps:q} --curves {output.curves:q}"
