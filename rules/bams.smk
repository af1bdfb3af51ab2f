# Consumes: embeddings of BAMS. Produces: results/<experiment>/sections/latents_<dataset>/, maps of its latents for the report.

# The first BAMS run of each dataset with labels.
LATENTS = {
    run.dataset: run for run in reversed(EXPERIMENT.runs) if run.method == "bams" and EXPERIMENT.tasks(run.dataset)
}


rule latents:
    input:
        embeddings=lambda wildcards: f"{RESULTS}/{LATENTS[wildcards.dataset].path()}/embeddings.h5",
        tracks="data/{dataset}/tracks.h5",
    output:
        section=f"{RESULTS}/sections/latents_{{dataset}}/section.json",
        table=f"{RESULTS}/sections/latents_{{dataset}}/latents.csv",
        figure=f"{RESULTS}/sections/latents_{{dataset}}/latents.png",
    log:
        f"logs/latents/{EXPERIMENT.name}/{{dataset}}.log",
    benchmark:
        f"logs/latents/{EXPERIMENT.name}/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=one_of(LATENTS),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=scaled(1500),
        runtime=60,
    params:
        tasks=lambda wildcards: EXPERIMENT.tasks(wildcards.dataset),
        code=code_digest("stages.latents"),
    shell:
        "python -m workflow_scripts.stages.latents --log {log:q} --embeddings {input.embeddings:q}"
        " --tracks {input.tracks:q} --task {params.tasks:q} --dataset {wildcards.dataset} --output {output.section:q}"


SECTIONS += [f"{RESULTS}/sections/latents_{name}/section.json" for name in LATENTS]
