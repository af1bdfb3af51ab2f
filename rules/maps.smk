# Consumes: embeddings, predictions and metrics of runs. Produces: results/<experiment>/tables/{embedding_maps.csv,
# curves.csv}, small tables that the report draws from.


rule maps:
    input:
        # The list may be long: the stage finds the files through the configuration.
        embeddings=[f"{RESULTS}/{run.path()}/embeddings.h5" for run in EXPERIMENT.mapped()],
        predictions=[f"{RESULTS}/{run.path()}/probe_predictions.h5" for run in EXPERIMENT.mapped()],
        metrics=[f"{RESULTS}/{run.path()}/metrics.csv" for run in EXPERIMENT.runs],
        config=ancient(f"{RESULTS}/provenance/configuration.json"),
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
        config=CONFIG_DIGEST,
        results=lambda wildcards, output: str(Path(output.maps).parents[1]),
        code=code_digest("stages.maps"),
    shell:
        'python -m workflow_scripts.stages.maps --log {log:q} --root "$ETHOMAKE_ROOT" --config {input.config:q}'
        " --results {params.results:q} --maps {output.maps:q} --curves {output.curves:q}"
