# Consumes: a run's embeddings and the probe's held-out predictions. Produces, where the experiment asks for decisions:
# results/<experiment>/runs/…/{decision.yaml, decided_predictions.h5, decided.csv}.


rule decide:
    input:
        embeddings=f"{RUN}/embeddings.h5",
        tracks=PLAN.data,
        split="data/{dataset}/splits/{split}.json",
        predictions=f"{RUN}/probe_predictions.h5",
    output:
        decision=f"{RUN}/decision.yaml",
        predictions=f"{RUN}/decided_predictions.h5",
    log:
        f"logs/decide/{RUN_NAME}.log",
    benchmark:
        f"logs/decide/{RUN_NAME}.tsv"
    wildcard_constraints:
        split=SINGLE_SPLITS,
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("decide"),
        runtime=PLAN.minutes("decide"),
    params:
        settings=PLAN.settings("probe", "decisions"),
        code=code_digest("stages.decide"),
    shell:
        "python -m workflow_scripts.stages.decide --log {log:q} --embeddings {input.embeddings:q}"
        " --tracks {input.tracks:q} --split {input.split:q} --seed {wildcards.seed} --settings {params.settings:q}"
        " --predictions {input.predictions:q} --decision {output.decision:q} --output {output.predictions:q}"


# In one split, or in all folds together.
use rule pool as pool_decided with:
    input:
        PLAN.of_folds("decided_predictions.h5"),
    output:
        f"{RUN}/decided.csv",
    log:
        f"logs/pool_decided/{RUN_NAME}.log",
    benchmark:
        f"logs/pool_decided/{RUN_NAME}.tsv"
    wildcard_constraints:
        split=f"{FAMILIES}|{SINGLE_SPLITS}",
