"""EthoMake: raw tracks, images and videos of behaving animals → models, embeddings, probe scores, figures."""

import os

from snakemake.utils import min_version

min_version("9.27")

# A workspace's settings, else the project's own; not both, since the second file read would win.
SETTINGS = "config/config.yaml"
if not os.path.isfile(SETTINGS):
    SETTINGS = workflow.source_path("config/config.yaml")


configfile: SETTINGS


report: "rules/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/download.smk"
include: "rules/convert.smk"
include: "rules/clips.smk"
include: "rules/augment.smk"
include: "rules/train.smk"
include: "rules/embed.smk"
include: "rules/joint.smk"
include: "rules/evaluate.smk"
include: "rules/decide.smk"
include: "rules/apply.smk"
include: "rules/behaviour.smk"
include: "rules/motifs.smk"
include: "rules/lisbet.smk"
include: "rules/bams.smk"
include: "rules/mabe.smk"
include: "rules/direction.smk"
include: "rules/videos.smk"
include: "rules/search.smk"
include: "rules/compare.smk"
include: "rules/maps.smk"
include: "rules/report.smk"
include: "rules/paper.smk"


share_datasets(workflow)


rule all:
    default_target: True
    input:
        f"{RESULTS}/comparison.csv",
        f"{RESULTS}/report/index.html",
        f"{RESULTS}/provenance/configuration.json",
        f"{RESULTS}/provenance/crate/ro-crate-metadata.json",
        [f"{RESULTS}/{path}" for path in EXPERIMENT.pretraining_results()],
        FINALS,
        list(APPLICATIONS),
        BEHAVIOUR,
        [f"{RESULTS}/leaderboard.csv"] if EXPERIMENT.swept_runs() else [],
        [f"{RESULTS}/{path}" for path in EXPERIMENT.motif_tables()],
        [f"{RESULTS}/label_efficiency.csv"] if label_runs(EXPERIMENT) else [],


rule paper_figures:
    input:
        f"{RESULTS}/comparison.csv",
        expand(f"{RESULTS}/figures/{{figure}}.pdf", figure=FIGURES),
