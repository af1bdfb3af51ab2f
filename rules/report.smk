# Consumes: comparison.csv and tables/. Produces: results/<experiment>/report/index.html. Nothing here needs runs,
# embeddings or data, so that a fresh clone with the tables alone redraws the report and plans no training.

from workflow_scripts.core.files import digest

LOCK = digest(ROOT / "requirements.lock")


rule rulegraph:
    output:
        f"{RESULTS}/provenance/rulegraph.dot",
    log:
        f"logs/rulegraph/{EXPERIMENT.name}.log",
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
        snakefile=lambda wildcards: os.path.relpath(str(workflow.main_snakefile)),
        code=code_digest("stages.rulegraph"),
    shell:
        "python -m workflow_scripts.stages.rulegraph --log {log:q} --snakefile {params.snakefile:q} --config {params.experiment:q}"
        " --output {output:q}"


rule report:
    input:
        comparison=f"{RESULTS}/comparison.csv",
        settings=f"{RESULTS}/settings.csv",
        rulegraph=f"{RESULTS}/provenance/rulegraph.dot",
        tables=expand(
            f"{RESULTS}/tables/{{table}}.csv",
            table=["quality", "labels", "ethograms", "confusions", "notes", "embedding_maps", "curves", "pictures"],
        ),
        tests=f"{RESULTS}/tests.csv",
        ranks=f"{RESULTS}/ranks.csv",
        efficiency=[f"{RESULTS}/label_efficiency.csv"] if label_runs(EXPERIMENT) else [],
        sections=SECTIONS,
    output:
        report(
            f"{RESULTS}/report/index.html",
            caption="captions/page.rst",
            category="Report",
            labels={"page": EXPERIMENT.name},
        ),
    log:
        f"logs/report/{EXPERIMENT.name}.log",
    benchmark:
        f"logs/report/{EXPERIMENT.name}.tsv"
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=30,
    params:
        experiment=PLAN.resolved,
        config=PLAN.pages_digest,
        results=lambda wildcards, input: str(Path(input.comparison).parent),
        code=code_digest("stages.report"),
    shell:
        "python -m workflow_scripts.stages.report --log {log:q} --config {params.experiment:q}"
        " --results {params.results:q} --logs logs --section {input.sections:q} --output {output:q}"


rule crate:
    input:
        comparison=f"{RESULTS}/comparison.csv",
        settings=f"{RESULTS}/settings.csv",
        # Model cards are there when comparison.csv was made here; in a clone with the tables alone, nothing is trained for
        # their sake.
    output:
        f"{RESULTS}/provenance/crate/ro-crate-metadata.json",
    log:
        f"logs/crate/{EXPERIMENT.name}.log",
    localrule: True
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(1000),
        runtime=10,
    params:
        lock=LOCK,
        experiment=PLAN.resolved,
        config=PLAN.pages_digest,
        results=lambda wildcards, input: str(Path(input.comparison).parent),
        code=code_digest("stages.crate"),
    shell:
        "python -m workflow_scripts.stages.crate --log {log:q} --config {params.experiment:q}"
        " --results {params.results:q} --logs logs --output {output:q}"
