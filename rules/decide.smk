# Consumes: a run's embeddings and the probe's held-out predictions. Produces, where the experiment asks for decisions:
# results/<experiment>/runs/…/{decision.yaml, decided_predictions.h5, decided.csv}, the same of what a method predicts
# by itself (native_decision.yaml …), and the decision.yaml of final runs, tuned on the folds beside them.


rule decide:
    input:
        embeddings=PLAN.of_trained("embeddings.h5"),
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


# What a method predicts by itself is decided by what the other folds' held-out predictions tune: all of training groups.
rule decide_native:
    input:
        predictions=f"{RUN}/predictions.h5",
        others=PLAN.of_other_folds("predictions.h5"),
        tracks=PLAN.data,
    output:
        decision=f"{RUN}/native_decision.yaml",
        predictions=f"{RUN}/native_decided_predictions.h5",
    log:
        f"logs/decide_native/{RUN_NAME}.log",
    benchmark:
        f"logs/decide_native/{RUN_NAME}.tsv"
    wildcard_constraints:
        split=SINGLE_SPLITS,
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("decide"),
        runtime=PLAN.minutes("decide"),
    params:
        settings=PLAN.settings("decisions"),
        code=code_digest("stages.decide_native"),
    shell:
        "python -m workflow_scripts.stages.decide_native --log {log:q} --tracks {input.tracks:q}"
        " --settings {params.settings:q} --others {input.others:q} --predictions {input.predictions:q}"
        " --decision {output.decision:q} --output {output.predictions:q}"


use rule pool as pool_native_decided with:
    input:
        PLAN.of_folds("native_decided_predictions.h5"),
    output:
        f"{RUN}/native_decided.csv",
    log:
        f"logs/pool_native_decided/{RUN_NAME}.log",
    benchmark:
        f"logs/pool_native_decided/{RUN_NAME}.tsv"
    wildcard_constraints:
        split=f"{FAMILIES}|{SINGLE_SPLITS}",


# A final model is decided by what its folds tune: every labelled recording, predicted by a model that did not see it.
rule decide_final:
    input:
        native=PLAN.of_scored_folds("predictions.h5"),
        probe=PLAN.of_scored_folds("probe_predictions.h5"),
        tracks=PLAN.data,
    output:
        f"{RUN}/decision.yaml",
    log:
        f"logs/decide_final/{RUN_NAME}.log",
    benchmark:
        f"logs/decide_final/{RUN_NAME}.tsv"
    wildcard_constraints:
        split="all",
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=PLAN.memory("decide"),
        runtime=PLAN.minutes("decide"),
    params:
        settings=PLAN.settings("probe", "decisions"),
        code=code_digest("stages.decide_final"),
    shell:
        "python -m workflow_scripts.stages.decide_final --log {log:q} --tracks {input.tracks:q}"
        " --settings {params.settings:q} --native {input.native:q} --probe {input.probe:q} --output {output:q}"
