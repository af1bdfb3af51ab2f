# Consumes: hand labels and predictions, held out and applied. Produces, where models are applied or the key `behaviour`
# asks for it: results/<experiment>/behaviour/{bouts,budget,time_bins,transitions,agreement,conditions,place}.csv.

from shlex import quote

from workflow_scripts.experiment.applications import behaviour_sources, behaviour_tasks

CONDITIONS_TABLE = EXPERIMENT.config.behaviour.conditions if EXPERIMENT.config.behaviour else ""
BEHAVIOUR_TASKS = behaviour_tasks(EXPERIMENT)
BEHAVIOUR_NAMES = ["bouts", "budget", "time_bins", "transitions", "agreement", "conditions", "place"]
BEHAVIOUR = [f"{RESULTS}/behaviour/{name}.csv" for name in BEHAVIOUR_NAMES] if BEHAVIOUR_TASKS else []


rule behaviour:
    input:
        predictions=[f"{RESULTS}/{source.path}" for source in behaviour_sources(EXPERIMENT)],
        data=[PLAN.data_of(name) for name in BEHAVIOUR_TASKS],
        conditions=[CONDITIONS_TABLE] if CONDITIONS_TABLE else [],
    output:
        tables=[f"{RESULTS}/behaviour/{name}.csv" for name in BEHAVIOUR_NAMES],
        section=f"{RESULTS}/sections/behaviour/section.json",
    log:
        f"logs/behaviour/{EXPERIMENT.name}.log",
    benchmark:
        f"logs/behaviour/{EXPERIMENT.name}.tsv"
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=120,
    params:
        experiment=PLAN.resolved,
        config=PLAN.tables_digest,
        results=lambda wildcards, output: str(Path(output.section).parents[2]),
        folder=lambda wildcards, output: str(Path(output.tables[0]).parent),
        conditions=f"--conditions {quote(CONDITIONS_TABLE)}" if CONDITIONS_TABLE else "",
        code=code_digest("stages.behaviour"),
    shell:
        "python -m workflow_scripts.stages.behaviour --log {log:q} --config {params.experiment:q}"
        " --results {params.results:q} --data data {params.conditions} --folder {params.folder:q}"
        " --section {output.section:q}"


if BEHAVIOUR:
    SECTIONS.append(f"{RESULTS}/sections/behaviour/section.json")
