# Validates the configuration before anything else, and gives the other rule files their parameters.

import json
import os
import re
import shlex
import sys
from pathlib import Path

# Not workflow.basedir: where this workflow is somebody's module, that is their folder. Commands know it as ETHOMAKE_ROOT; it
# is no parameter of a rule, so that a project moved to another folder is not run again for it.
ROOT = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, str(ROOT))  # this checkout's package, whichever one is installed

from workflow_scripts.core.names import slugify
from workflow_scripts.workflow.digest import code_digest
from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.experiment.experiment import load_experiment
from workflow_scripts.workflow.environment import set_environment
from workflow_scripts.cards.kinds import DETECTORS
from workflow_scripts.cards.kinds import FILES as KIND_FILES
from workflow_scripts.workflow.recovery import clear_after_kill, forget_run, note_run
from workflow_scripts.methods import config_model as method_options
from workflow_scripts.experiment.figure_kinds import KINDS as FIGURE_KINDS
from workflow_scripts.experiment.figure_kinds import drawings
from workflow_scripts.workflow.resources import Sizes, gpus, need, train_need

try:
    EXPERIMENT = load_experiment(ROOT, config)
    FIGURES = {drawing.name: drawing for drawing in drawings(EXPERIMENT)}
except EthoMakeError as error:
    raise WorkflowError(str(error))

set_environment(ROOT, EXPERIMENT.config)

CARDS = EXPERIMENT.cards
RESULTS = f"results/{EXPERIMENT.name}"
# What systems add to the report: a rule file that makes a section appends its `sections/<name>/section.json` here
# (workflow_scripts/formats/sections.py) and is included before report.smk.
SECTIONS = []
TWINS = [name for name, card in CARDS.items() if card.simulate]
REMOTE = [name for name, card in CARDS.items() if not card.simulate]


def one_of(names):
    """Regular expression that matches exactly these names (and nothing, for none)."""
    return "|".join(map(re.escape, names)) or "(?!)"


def datasets_of(kind):
    """Regular expression of the datasets of one kind."""
    return one_of([name for name, card in CARDS.items() if card.kind == kind])


wildcard_constraints:
    dataset=one_of(CARDS),
    shard=r"[A-Za-z0-9._-]+",
    split=r"[a-z][a-z0-9_]*",
    method=r"[a-z][a-z0-9_]*",
    mode="sound|faithful",
    point=r"[A-Za-z0-9~,._-]+",
    seed=r"\d+",


def scaled(base):
    """Memory that grows with each attempt (retries are set in the profiles)."""
    return lambda wildcards, attempt: base * attempt


SIZES = Sizes(EXPERIMENT)


def predicted(name, wildcards):
    """Memory and time of one job of a rule, from the size of what it works on."""
    if name == "train":
        return train_need(SIZES, run_of(wildcards))
    if name == "convert":
        return need(name, SIZES.shard(wildcards.dataset, wildcards.shard))
    return need(name, SIZES.dataset(wildcards.dataset))


def memory_for(name):
    """Predicted megabytes, more with each attempt."""
    return lambda wildcards, attempt: predicted(name, wildcards).mem_mb * attempt


def minutes_for(name):
    """Predicted minutes, more with each attempt."""
    return lambda wildcards, attempt: predicted(name, wildcards).minutes * attempt


def gpus_for(wildcards):
    """GPUs a training asks for on each machine."""
    return gpus(run_of(wildcards))


def as_json(value):
    """One line of JSON for a stage's command line."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def data_of(wildcards):
    """The file that stands for a dataset, of whatever kind it is."""
    return f"data/{wildcards.dataset}/{KIND_FILES[CARDS[wildcards.dataset].kind]}"


def detector_of(dataset):
    """Name of what finds the animal in a dataset's videos."""
    return CARDS[dataset].options.get("detector", {}).get("name", "background")


def videos_found_by(neural):
    """Regular expression of the datasets of videos whose detector is a neural network, or none."""
    videos = [name for name, card in CARDS.items() if card.kind == "clips"]
    return one_of([name for name in videos if DETECTORS.get(detector_of(name), False) == neural])


def video_files(wildcards):
    """A video, and the files its detector reads; no annotation, so that editing one detects nothing anew."""
    shard = CARDS[wildcards.dataset].shard(wildcards.shard)
    return [f"resources/{wildcards.dataset}/{path}" for path in (shard.tracks, *shard.beside)]


def video_card(wildcards):
    """The card as finding and cropping one video needs it."""
    card = CARDS[wildcards.dataset].only(wildcards.shard)
    (shard,) = card.shards
    options = {key: value for key, value in card.options.items() if key != "balance"}
    own = {key: value for key, value in shard.options.items() if key != "label"}
    bare = shard.model_copy(update={"labels": [], "options": own})
    return card.model_copy(update={"shards": [bare], "tasks": {}, "options": options}).model_dump_json(
        exclude_defaults=True
    )


def annotation_files(wildcards):
    """Annotations of all of a dataset's videos."""
    labels = [labels.file for shard in CARDS[wildcards.dataset].shards for labels in shard.labels]
    return [f"resources/{wildcards.dataset}/{path}" for path in dict.fromkeys(labels)]


def annotation_sources(wildcards):
    """Modules that read a dataset's annotations."""
    names = {labels.source for shard in CARDS[wildcards.dataset].shards for labels in shard.labels}
    return sorted(f"sources.{name}" for name in names)


def run_of(wildcards):
    """The run a job belongs to."""
    keys = ("dataset", "method", "mode", "point", "split")
    path = "/".join(str(wildcards[key]) for key in keys)
    return EXPERIMENT.run(f"runs/{path}/seed{wildcards.seed}")


def run_columns(run, split=None):
    """What a run writes into every row of its tables."""
    columns = {key: getattr(run, key) for key in ("dataset", "method", "mode", "point", "seed")}
    return columns | {"split": split or run.split}


# Rules that read the resolved configuration take it as ancient() and follow its content through this: in a fresh clone
# that holds the small tables alone, the files' times say nothing.
CONFIG_DIGEST = EXPERIMENT.digest()
EVALUATION = EXPERIMENT.config.model_dump(mode="json", include={"probe", "intervals"})
POOLED = EXPERIMENT.pooled(EXPERIMENT.judged())


def shard_files(wildcards):
    """Downloads one shard is made from."""
    shard = CARDS[wildcards.dataset].shard(wildcards.shard)
    return [f"resources/{wildcards.dataset}/{path}" for path in shard.paths()]


def sources_of(wildcards):
    """Modules that read one shard."""
    card = CARDS[wildcards.dataset]
    shard = card.shard(wildcards.shard)
    return [f"sources.{name}" for name in (card.source, *(labels.source for labels in shard.labels))]


def used_splits(dataset):
    """Every split of a dataset that the experiment uses, folds spelt out."""
    families = EXPERIMENT.use(dataset).splits
    return [name for family in families for name in CARDS[dataset].split_names(family)]


def settings(wildcards, *keys):
    """JSON of what scoring depends on."""
    run = run_of(wildcards)
    chosen = {"tasks": EXPERIMENT.tasks(run.dataset), "run": run_columns(run)}
    return as_json(chosen | {key: EVALUATION[key] for key in keys})


def folds(wildcards):
    """Runs that are scored together: the folds of a family, or the one run itself."""
    keys = ("dataset", "method", "mode", "point", "split")
    path = "/".join(str(wildcards[key]) for key in keys)
    path = f"runs/{path}/seed{wildcards.seed}"
    return POOLED[path] if path in POOLED else [EXPERIMENT.run(path)]


def survive(wildcards, input, output):
    """With `keep_going`, let a run that fails write why in place of its results, so that the others are compared."""
    if not EXPERIMENT.config.keep_going:
        return ""
    given, made = ([shlex.quote(str(path)) for path in paths] for paths in (input, output))
    return f"--given {' '.join(given)} --survive {' '.join(made)}"


def figure_kind(wildcards):
    """What a figure is drawn from and by."""
    return FIGURE_KINDS[FIGURES[wildcards.figure].kind]


# Where the evaluator of MABe 2022 finds labels and split of a dataset.
MABE = {
    name: {
        "animal": card.options.get("animal", "mouse"),
        "labels": f"resources/{name}/{shard.options['labels_file']}",
        "split": f"resources/{name}/{shard.options['split_file']}",
    }
    for name, card in CARDS.items()
    for shard in card.shards
    if card.source == "mabe22" and {"labels_file", "split_file"} <= set(shard.options) and EXPERIMENT.tasks(name)
}


# The run of each dataset whose latents are drawn: BAMS's first.
LATENTS = {}
for run in EXPERIMENT.runs:
    if run.method == "bams" and EXPERIMENT.tasks(run.dataset):
        LATENTS.setdefault(run.dataset, run)


# After `kill -9` the same command goes on; see workflow_scripts/workflow/recovery.py.
if workflow.is_main_process and clear_after_kill(Path(".snakemake")):
    print(
        "The run before this one was killed; going on where it stopped.",
        file=sys.stderr,
    )


onstart:
    note_run(Path(".snakemake"))


onsuccess:
    forget_run(Path(".snakemake"))


onerror:
    forget_run(Path(".snakemake"))
