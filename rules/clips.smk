# Consumes: resources/<dataset>/ of a dataset of videos. Produces: data/<dataset>/clips/{<shard>.mp4, <shard>.h5,
# index.h5}, quality.csv, labels.csv. A new video or detector option crops that video alone, an edited annotation none.


rule detect:
    input:
        PLAN.files(PLAN.video_paths, ancient),
    output:
        video="data/{dataset}/clips/{shard}.mp4",
        boxes="data/{dataset}/clips/{shard}.h5",
    log:
        "logs/detect/{dataset}/{shard}.log",
    benchmark:
        "logs/detect/{dataset}/{shard}.tsv"
    wildcard_constraints:
        dataset=PLAN.videos(neural=True),
        shard=r"(?!index\.)[A-Za-z0-9._-]+",
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=240,
        gpu=1,
    params:
        inputs=PLAN.inputs("video", "shard"),
        contents=PLAN.content(PLAN.video_paths),
        code=lambda wildcards: code_digest("stages.detect", f"detectors.{PLAN.detector(wildcards.dataset)}"),
    shell:
        'python -m workflow_scripts.stages.detect --log {log:q} --card "$ETHOMAKE_NOTES"/cards/{wildcards.dataset}.json'
        " --shard {wildcards.shard} --resources resources/{wildcards.dataset} --video {output.video:q}"
        " --output {output.boxes:q}"


# The same where the detector is no neural network: no GPU.
use rule detect as locate with:
    log:
        "logs/locate/{dataset}/{shard}.log",
    benchmark:
        "logs/locate/{dataset}/{shard}.tsv"
    wildcard_constraints:
        dataset=PLAN.videos(neural=False),
        shard=r"(?!index\.)[A-Za-z0-9._-]+",
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=scaled(1500),
        runtime=120,
        gpu=0,


rule clips:
    input:
        boxes=PLAN.shard_files("data/{dataset}/clips/{shard}.h5"),
        annotations=PLAN.files(PLAN.annotation_paths, ancient),
    output:
        clips="data/{dataset}/clips/index.h5",
        quality="data/{dataset}/quality.csv",
        labels="data/{dataset}/labels.csv",
    log:
        "logs/clips/{dataset}.log",
    benchmark:
        "logs/clips/{dataset}.tsv"
    wildcard_constraints:
        dataset=PLAN.datasets("clips"),
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(1500),
        runtime=30,
    params:
        inputs=PLAN.inputs("dataset"),
        contents=PLAN.content(PLAN.annotation_paths),
        code=PLAN.clips_code,
    shell:
        'python -m workflow_scripts.stages.clips --log {log:q} --card "$ETHOMAKE_NOTES"/cards/{wildcards.dataset}.json'
        " --resources resources/{wildcards.dataset} --shards data/{wildcards.dataset}/clips"
        " --quality {output.quality:q} --labels {output.labels:q} --output {output.clips:q}"
