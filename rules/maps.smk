# Consumes: embeddings, predictions and metrics of runs, and converted data. Produces: results/<experiment>/tables/
# {embedding_maps.csv, curves.csv, pictures.csv}, small tables that the report draws from.


rule maps:
    input:
        # The list may be long: the stage finds the files through the configuration.
        embeddings=PLAN.of_runs(EXPERIMENT.mapped_runs(), "embeddings.h5"),
        predictions=PLAN.of_runs(EXPERIMENT.mapped_runs(), "probe_predictions.h5"),
        metrics=PLAN.of_runs(EXPERIMENT.trained_runs(), "metrics.csv"),
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


rule pictures:
    input:
        data=[PLAN.data_of(name) for name in EXPERIMENT.cards],
        ethograms=f"{RESULTS}/tables/ethograms.csv",
        maps=f"{RESULTS}/tables/embedding_maps.csv",
    output:
        f"{RESULTS}/tables/pictures.csv",
    log:
        f"logs/pictures/{EXPERIMENT.name}.log",
    benchmark:
        f"logs/pictures/{EXPERIMENT.name}.tsv"
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=30,
    params:
        experiment=PLAN.resolved,
        config=PLAN.tables_digest,
        code=code_digest("stages.pictures"),
    shell:
        "python -m workflow_scripts.stages.pictures --log {log:q} --config {params.experiment:q} --data data"
        " --ethograms {input.ethograms:q} --maps {input.maps:q} --output {output:q}"
