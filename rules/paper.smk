# Consumes: comparison.csv and tables/. Produces: results/<experiment>/figures/<name>.{pdf,png,csv,txt,json}: figure,
# numbers drawn, caption, origin. Like the report, it needs nothing but the small tables.


from workflow_scripts.experiment.figure_kinds import KINDS as FIGURE_KINDS


rule figure:
    input:
        tables=lambda wildcards: [f"{RESULTS}/{table}" for table in FIGURE_KINDS[FIGURES[wildcards.figure].kind].tables],
    output:
        pdf=f"{RESULTS}/figures/{{figure}}.pdf",
        png=report(
            f"{RESULTS}/figures/{{figure}}.png",
            caption="captions/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        data=f"{RESULTS}/figures/{{figure}}.csv",
        caption=f"{RESULTS}/figures/{{figure}}.txt",
        origin=f"{RESULTS}/figures/{{figure}}.json",
    log:
        f"logs/figure/{EXPERIMENT.name}/{{figure}}.log",
    benchmark:
        f"logs/figure/{EXPERIMENT.name}/{{figure}}.tsv"
    wildcard_constraints:
        figure=one_of(FIGURES),
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=30,
    params:
        experiment=PLAN.resolved,
        kind=lambda wildcards: FIGURES[wildcards.figure].kind,
        select=lambda wildcards: as_json(FIGURES[wildcards.figure].select),
        config=PLAN.tables_digest,
        results=lambda wildcards, output: str(Path(output.pdf).parents[1]),
        stem=lambda wildcards, output: str(Path(output.pdf).with_suffix("")),
        code=lambda wildcards: code_digest(
            "stages.figure", FIGURE_KINDS[FIGURES[wildcards.figure].kind].function.split(":")[0]
        ),
    shell:
        "python -m workflow_scripts.stages.figure --log {log:q} --results {params.results:q} --config {params.experiment:q}"
        " --kind {params.kind} --select {params.select:q} --stem {params.stem:q}"
