"""EthoMake: raw tracks, images and videos of behaving animals → models, embeddings, probe scores, figures."""

from snakemake.utils import min_version

min_version("9.27")


configfile: workflow.source_path("config/config.yaml")


include: "rules/common.smk"
include: "rules/download.smk"
include: "rules/convert.smk"
include: "rules/clips.smk"
include: "rules/augment.smk"
include: "rules/train.smk"
include: "rules/embed.smk"
include: "rules/evaluate.smk"
include: "rules/motifs.smk"
include: "rules/mabe.smk"
include: "rules/direction.smk"
include: "rules/search.smk"
include: "rules/compare.smk"
include: "rules/maps.smk"
include: "rules/report.smk"
include: "rules/paper.smk"


rule all:
    default_target: True
    input:
        f"results/{EXPERIMENT.name}/comparison.csv",
        f"results/{EXPERIMENT.name}/report/index.html",
        f"results/{EXPERIMENT.name}/provenance/crate/ro-crate-metadata.json",
        [f"results/{EXPERIMENT.name}/{run.path()}/embedder/config.yaml" for run in EXPERIMENT.unjudged()],
        [f"results/{EXPERIMENT.name}/leaderboard.csv"] if EXPERIMENT.swept() else [],
        [f"results/{EXPERIMENT.name}/{path}" for path in EXPERIMENT.motif_tables()],


rule paper_figures:
    input:
        f"results/{EXPERIMENT.name}/comparison.csv",
        expand(f"results/{EXPERIMENT.name}/figures/{{figure}}.pdf", figure=FIGURES),
