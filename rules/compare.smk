# Consumes: every probe.csv. Produces: results/<experiment>/{comparison.csv, tests.csv, ranks.csv, settings.csv,
# provenance/configuration.json, tables/}. All tables are small; figures and report need nothing else.


from workflow_scripts.experiment.label_runs import label_runs


rule configuration:
    output:
        f"{RESULTS}/provenance/configuration.json",
    log:
        f"logs/configuration/{EXPERIMENT.name}.log",
    localrule: True
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(500),
        runtime=5,
    params:
        experiment=PLAN.resolved,
        config=as_json(EXPERIMENT.results_config()),
        code=code_digest("stages.configuration"),
    shell:
        "python -m workflow_scripts.stages.configuration --log {log:q} --config {params.experiment:q}"
        " --output {output:q}"


rule published:
    output:
        f"{RESULTS}/tables/published.csv",
    log:
        f"logs/published/{EXPERIMENT.name}.log",
    localrule: True
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(500),
        runtime=5,
    params:
        experiment=PLAN.resolved,
        config=PLAN.pages_digest,
        code=code_digest("stages.published"),
    shell:
        "python -m workflow_scripts.stages.published --log {log:q} --config {params.experiment:q} --output {output:q}"


rule significance:
    input:
        # The list may be long: the stage finds the files through the configuration.
        predictions=[
            f"{RESULTS}/{path}" for _, seeds in EXPERIMENT.contenders() for paths in seeds.values() for path in paths
        ],
    output:
        tests=report(
            f"{RESULTS}/tests.csv",
            caption="captions/tests.rst",
            category="Tables",
            labels={"table": "pairs of methods"},
        ),
        ranks=report(
            f"{RESULTS}/ranks.csv",
            caption="captions/ranks.rst",
            category="Tables",
            labels={"table": "ranks"},
        ),
        seeds=f"{RESULTS}/tables/seeds.csv",
    log:
        f"logs/significance/{EXPERIMENT.name}.log",
    benchmark:
        f"logs/significance/{EXPERIMENT.name}.tsv"
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(3000),
        runtime=120,
    params:
        experiment=PLAN.resolved,
        config=PLAN.tables_digest,
        results=lambda wildcards, output: str(Path(output.tests).parent),
        code=code_digest("stages.significance"),
    shell:
        "python -m workflow_scripts.stages.significance --log {log:q} --config {params.experiment:q}"
        " --results {params.results:q} --tests {output.tests:q} --ranks {output.ranks:q} --seeds {output.seeds:q}"


rule compare:
    input:
        # The list may be long: the stage finds the tables through the configuration.
        tables=[f"{RESULTS}/{path}" for path in EXPERIMENT.tables()],
        seeds=f"{RESULTS}/tables/seeds.csv",
    output:
        table=report(
            f"{RESULTS}/comparison.csv",
            caption="captions/comparison.rst",
            category="Tables",
            labels={"table": "all scores"},
        ),
        settings=f"{RESULTS}/settings.csv",
    log:
        f"logs/compare/{EXPERIMENT.name}.log",
    benchmark:
        f"logs/compare/{EXPERIMENT.name}.tsv"
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=60,
    params:
        experiment=PLAN.resolved,
        config=PLAN.tables_digest,
        results=lambda wildcards, output: str(Path(output.table).parent),
        code=code_digest("stages.compare"),
    shell:
        "python -m workflow_scripts.stages.compare --log {log:q} --config {params.experiment:q}"
        " --results {params.results:q} --seeds {input.seeds:q} --settings {output.settings:q} --output {output.table:q}"


rule label_efficiency:
    input:
        # The list may be long: the stage finds the files through the configuration.
        predictions=[f"{RESULTS}/{path}" for *_, paths in label_runs(EXPERIMENT) for path in paths],
    output:
        report(
            f"{RESULTS}/label_efficiency.csv",
            caption="captions/label_efficiency.rst",
            category="Tables",
            labels={"table": "label efficiency"},
        ),
    log:
        f"logs/label_efficiency/{EXPERIMENT.name}.log",
    benchmark:
        f"logs/label_efficiency/{EXPERIMENT.name}.tsv"
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=60,
    params:
        experiment=PLAN.resolved,
        config=PLAN.tables_digest,
        results=lambda wildcards, output: str(Path(output[0]).parent),
        code=code_digest("stages.label_efficiency"),
    shell:
        "python -m workflow_scripts.stages.label_efficiency --log {log:q} --config {params.experiment:q}"
        " --results {params.results:q} --output {output:q}"


rule examples:
    input:
        predictions=[f"{RESULTS}/{path}" for _, _, path in EXPERIMENT.predictions()],
        notes=PLAN.of_runs(EXPERIMENT.fitted_runs(), "probe_notes.json"),
        quality=[f"data/{name}/quality.csv" for name in EXPERIMENT.cards],
        labels=[f"data/{name}/labels.csv" for name in EXPERIMENT.cards],
    output:
        quality=f"{RESULTS}/tables/quality.csv",
        labels=f"{RESULTS}/tables/labels.csv",
        ethograms=f"{RESULTS}/tables/ethograms.csv",
        confusions=f"{RESULTS}/tables/confusions.csv",
        notes=f"{RESULTS}/tables/notes.csv",
    log:
        f"logs/examples/{EXPERIMENT.name}.log",
    benchmark:
        f"logs/examples/{EXPERIMENT.name}.tsv"
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=60,
    params:
        experiment=PLAN.resolved,
        config=PLAN.tables_digest,
        results=lambda wildcards, output: str(Path(output.quality).parents[1]),
        code=code_digest("stages.examples"),
    shell:
        "python -m workflow_scripts.stages.examples --log {log:q} --config {params.experiment:q}"
        " --results {params.results:q} --data data --quality {output.quality:q} --labels {output.labels:q}"
        " --ethograms {output.ethograms:q} --confusions {output.confusions:q}"
        " --notes {output.notes:q}"
