# Consumes: resources/<dataset>/ of a dataset of videos. Produces: data/<dataset>/clips/{<shard>.mp4, <shard>.h5,
# index.h5}, quality.csv, labels.csv. A new video or detector option crops that video alone, an edited annotation none.


rule detect:
    input:
        video_files,
    output:
        video="data/{dataset}/clips/{shard}.mp4",
        boxes="data/{dataset}/clips/{shard}.h5",
    log:
        "logs/detect/{dataset}/{shard}.log",
    benchmark:
        "logs/detect/{dataset}/{shard}.tsv"
    wildcard_constraints:
        dataset=videos_found_by(neural=True),
        shard=r"(?!index\.)[A-Za-z0-9._-]+",
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=240,
        gpu=1,
    params:
        card=video_card,
        keep_going="--keep-going" if EXPERIMENT.config.keep_going else "",
        code=lambda wildcards: code_digest("stages.detect", f"detectors.{detector_of(wildcards.dataset)}"),
    shell:
        "python -m workflow_scripts.stages.detect --log {log:q} --card {params.card:q}"
        " --resources resources/{wildcards.dataset} {params.keep_going} --video {output.video:q}"
        " --output {output.boxes:q}"


# The same where the detector is no neural network: no GPU.
use rule detect as locate with:
    log:
        "logs/locate/{dataset}/{shard}.log",
    benchmark:
        "logs/locate/{dataset}/{shard}.tsv"
    wildcard_constraints:
        dataset=videos_found_by(neural=False),
        shard=r"(?!index\.)[A-Za-z0-9._-]+",
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=scaled(1500),
        runtime=120,
        gpu=0,


rule clips:
    input:
        boxes=lambda wildcards: [
            f"data/{wildcards.dataset}/clips/{slugify(shard.id)}.h5" for shard in CARDS[wildcards.dataset].shards
        ],
        annotations=annotation_files,
    output:
        clips="data/{dataset}/clips/index.h5",
        quality="data/{dataset}/quality.csv",
        labels="data/{dataset}/labels.csv",
    log:
        "logs/clips/{dataset}.log",
    benchmark:
        "logs/clips/{dataset}.tsv"
    wildcard_constraints:
        dataset=datasets_of("clips"),
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled(1500),
        runtime=30,
    params:
        card=lambda wildcards: CARDS[wildcards.dataset].bare().model_dump_json(exclude_defaults=True),
        code=lambda wildcards: code_digest("stages.clips", *annotation_sources(wildcards)),
    shell:
        "python -m workflow_scripts.stages.clips --log {log:q} --card {params.card:q}"
        " --resources resources/{wildcards.dataset} --shards data/{wildcards.dataset}/clips"
        " --quality {output.quality:q} --labels {output.labels:q} --output {output.clips:q}"
