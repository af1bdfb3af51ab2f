"""What the rules ask about an experiment: inputs, parameters and patterns of wildcards, by a job's wildcards."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from workflow_scripts import methods
from workflow_scripts.cards.card import FINAL, Card
from workflow_scripts.cards.kinds import DETECTORS, FILES
from workflow_scripts.core.names import slugify
from workflow_scripts.experiment.applications import folds_of
from workflow_scripts.experiment.experiment import Experiment
from workflow_scripts.experiment.resolved import resolved_digest, write_resolved
from workflow_scripts.experiment.runs import Run
from workflow_scripts.experiment.schema import ApplyUse
from workflow_scripts.workflow.contents import Contents
from workflow_scripts.workflow.digest import code_digest
from workflow_scripts.workflow.resources import Need, Sizes, gpus, need, train_need

RUN_KEYS = ("dataset", "method", "mode", "setting", "split")
"""Wildcards of a run's folder, in the order of its path; `seed` comes last."""


def one_of(names: Iterable[str]) -> str:
    """Regular expression that matches exactly these names (and nothing, for none)."""
    return "|".join(map(re.escape, names)) or "(?!)"


def as_json(value: Any) -> str:
    """One line of JSON for a stage's command line."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


class Inputs:
    """Answers to the questions of the rules; every method that takes wildcards can be an input or params function.

    Parameters
    ----------
    experiment : Experiment
    notes : Path
        Folder of what EthoMake keeps beside Snakemake's own notes; gets the resolved experiment and cards.
    """

    def __init__(self, experiment: Experiment, notes: Path) -> None:
        self.experiment = experiment
        self.cards = experiment.cards
        self.results = f"results/{experiment.name}"
        self.resolved = f"{notes}/experiments/{experiment.name}.json"
        self._contents = Contents(notes / "contents.json")
        self._sizes = Sizes(experiment)
        write_resolved(notes, experiment)

    # Digests that stand for the configuration in `params`.

    @cached_property
    def tables_digest(self) -> str:
        """Of what the tables of an experiment depend on."""
        return resolved_digest(self.experiment, shown=False)

    @cached_property
    def pages_digest(self) -> str:
        """Of what its pages depend on, descriptions and licences included."""
        return resolved_digest(self.experiment)

    # Patterns of wildcards.

    def datasets(self, kind: str) -> str:
        """Pattern of the datasets of one kind."""
        return one_of(name for name, card in self.cards.items() if card.kind == kind)

    def twins(self) -> str:
        """Pattern of the simulated datasets."""
        return one_of(name for name, card in self.cards.items() if card.simulate)

    def downloaded(self) -> str:
        """Pattern of the datasets that are no twins."""
        return one_of(name for name, card in self.cards.items() if not card.simulate)

    def videos(self, *, neural: bool) -> str:
        """Pattern of the datasets of videos whose detector is a neural network, or none."""
        videos = [name for name, card in self.cards.items() if card.kind == "clips"]
        return one_of(name for name in videos if DETECTORS.get(self.detector(name), False) == neural)

    def methods(self, *, neural: bool) -> str:
        """Pattern of the experiment's methods that are neural, or are not."""
        return one_of(name for name in self.experiment.config.methods if methods.config_model(name).neural == neural)

    def detector(self, dataset: str) -> str:
        """Name of what finds the animal in a dataset's videos."""
        return str(self.cards[dataset].options.get("detector", {}).get("name", "background"))

    # Files of a dataset.

    def resource(self, dataset: str, path: str) -> str:
        """Path of one of a dataset's files: the user's own where it is read in place, else the download."""
        return str(self.cards[dataset].folder_of_files(f"resources/{dataset}") / path)

    def _resources(self, dataset: str, paths: Iterable[str], flag: Callable[[str], Any]) -> list[Any]:
        local = self.cards[dataset].local_folder is not None
        found = [self.resource(dataset, path) for path in dict.fromkeys(paths)]
        # The user's own files are followed by content (`contents`); their times say nothing.
        return [flag(path) for path in found] if local else found

    def contents(self, dataset: str, paths: Iterable[str]) -> dict[str, str]:
        """Checksums of the user's own files, by their path on the card; nothing for downloads, which never change."""
        card = self.cards[dataset]
        if not card.local:
            return {}
        folder = Path(card.local).expanduser()
        return {path: self._contents.sha256(folder / path) for path in dict.fromkeys(paths)}

    def shard_paths(self, wildcards: Any) -> list[str]:
        """Paths, on the card, of what one shard is made from."""
        return self.cards[wildcards.dataset].shard(wildcards.shard).paths()

    def video_paths(self, wildcards: Any) -> list[str]:
        """Paths of a video and of the files its detector reads; no annotation, whose edits detect nothing again."""
        shard = self.cards[wildcards.dataset].shard(wildcards.shard)
        return [shard.file, *shard.beside]

    def annotation_paths(self, wildcards: Any) -> list[str]:
        """Paths of the annotations of all of a dataset's videos."""
        return [labels.file for shard in self.cards[wildcards.dataset].shards for labels in shard.labels]

    def all_paths(self, wildcards: Any) -> list[str]:
        """Paths of all files that a dataset is made from."""
        return [path for shard in self.cards[wildcards.dataset].shards for path in shard.paths()]

    def files(self, paths: Callable[[Any], list[str]], flag: Callable[[str], Any]) -> Callable[[Any], list[Any]]:
        """Input function of a rule that reads the files of one of the functions above.

        Parameters
        ----------
        paths : callable
        flag : callable
            Snakemake's `ancient`, which marks the user's own files.
        """
        return lambda wildcards: self._resources(wildcards.dataset, paths(wildcards), flag)

    def content(self, paths: Callable[[Any], list[str]]) -> Callable[[Any], dict[str, str]]:
        """Params function beside :meth:`files`: content of the user's own files."""
        return lambda wildcards: self.contents(wildcards.dataset, paths(wildcards))

    def inputs(self, purpose: Any, key: str = "") -> Callable[[Any], str]:
        """Params function: digest of what a conversion takes from the card; `key` = wildcard of the shard or file."""
        return lambda wildcards: self.cards[wildcards.dataset].inputs_digest(purpose, wildcards[key] if key else "")

    def shard_files(self, pattern: str) -> Callable[[Any], list[str]]:
        """Input function: a file by shard of a dataset, from a pattern with `{dataset}` and `{shard}`."""
        return lambda wildcards: [
            pattern.format(dataset=wildcards.dataset, shard=slugify(shard.id))
            for shard in self.cards[wildcards.dataset].shards
        ]

    def data(self, wildcards: Any) -> str:
        """The file that stands for a dataset, of whatever kind it is."""
        return self.data_of(wildcards.dataset)

    def data_of(self, dataset: str) -> str:
        """The same by a dataset's name."""
        return f"data/{dataset}/{FILES[self.cards[dataset].kind]}"

    def split_definitions(self, wildcards: Any) -> str:
        """What the card says about all its splits, as JSON."""
        return as_json(self.cards[wildcards.dataset].model_dump(mode="json", include={"splits"})["splits"])

    def split_definition(self, wildcards: Any) -> str:
        """What the card says about the family of a split, as JSON."""
        card = self.cards[wildcards.dataset]
        if wildcards.split == FINAL:
            return as_json({FINAL: list(card.tasks)})
        (family,) = [name for name in card.splits if wildcards.split in card.split_names(name)]
        return as_json({family: card.model_dump(mode="json", include={"splits"})["splits"][family]})

    # Code that a job runs.

    def _code(self, stage: str, modules: Iterable[str]) -> str:
        return code_digest(f"stages.{stage}", *sorted(set(modules)))

    def convert_code(self, wildcards: Any) -> str:
        """Digest of the code that converts one shard."""
        card = self.cards[wildcards.dataset]
        labels = card.shard(wildcards.shard).labels
        return self._code("convert", [f"sources.{name}" for name in (card.source, *(each.source for each in labels))])

    def clips_code(self, wildcards: Any) -> str:
        """Digest of the code that reads the annotations of a dataset's videos."""
        shards = self.cards[wildcards.dataset].shards
        return self._code("clips", [f"sources.{labels.source}" for shard in shards for labels in shard.labels])

    def method_code(self, stage: str) -> Callable[[Any], str]:
        """Params function: digest of the code of a stage that runs the job's method."""
        return lambda wildcards: self._code(
            stage, [f"methods.{name}.method" for name in self.experiment.programs(wildcards.method)]
        )

    # Runs.

    def run(self, wildcards: Any) -> Run:
        """The run a job belongs to."""
        return self.experiment.run(self._run_path(wildcards))

    def _run_path(self, wildcards: Any) -> str:
        path = "/".join(str(wildcards[key]) for key in RUN_KEYS)
        return f"runs/{path}/seed{wildcards.seed}"

    @cached_property
    def _pooled(self) -> dict[str, list[Run]]:
        return self.experiment.pooled(self.experiment.scored_runs())

    def folds(self, wildcards: Any) -> list[Run]:
        """Runs that are scored together: the folds of a family, or the one run itself."""
        path = self._run_path(wildcards)
        return self._pooled[path] if path in self._pooled else [self.experiment.run(path)]

    def of_folds(self, name: str) -> Callable[[Any], list[str]]:
        """Input function: a file of each fold of a run."""
        return lambda wildcards: [f"{self.results}/{run.path()}/{name}" for run in self.folds(wildcards)]

    def of_other_folds(self, name: str) -> Callable[[Any], list[str]]:
        """Input function: a file of each other fold of a run's family."""

        def found(wildcards: Any) -> list[str]:
            run = self.run(wildcards)
            others = [other for other in folds_of(self.experiment, run) if other.split != run.split]
            return self.of_runs(others, name)

        return found

    def of_scored_folds(self, name: str) -> Callable[[Any], list[str]]:
        """Input function: a file of each fold that scores a final run, where the run has such a file."""

        def found(wildcards: Any) -> list[str]:
            run = self.run(wildcards)
            has = run.readout if name == "predictions.h5" else self.experiment.probed(run)
            return self.of_runs(folds_of(self.experiment, run), name) if has else []

        return found

    def of_members(self, name: str) -> Callable[[Any], list[str]]:
        """Input function: a file of each member of a joint run."""
        return lambda wildcards: self.of_runs(self.run(wildcards).members.values(), name)

    def of_trained(self, name: str) -> Callable[[Any], list[str]]:
        """Input function: a file of the training that a run uses, which may be that of another split."""
        return lambda wildcards: self.of_runs([self.run(wildcards).trained], name)

    def of_runs(self, runs: Iterable[Run], *names: str) -> list[str]:
        """Files of runs, below `results/<experiment>/`."""
        return [f"{self.results}/{run.path()}/{name}" for run in runs for name in names]

    def options(self, wildcards: Any) -> str:
        """Mode and options of a run, as JSON."""
        return as_json({"mode": wildcards.mode, "options": self.run(wildcards).options})

    def settings(self, *keys: str) -> Callable[[Any], str]:
        """Params function: JSON of what scoring a run depends on."""

        def found(wildcards: Any) -> str:
            run = self.run(wildcards)
            chosen = {"tasks": self.experiment.tasks(run.dataset), "run": run.columns()}
            return as_json(chosen | self._evaluation(*keys))

        return found

    def apply_settings(self, wanted: ApplyUse) -> str:
        """JSON of what applying a final run depends on."""
        tasks = wanted.tasks or self.experiment.tasks(wanted.model())
        return as_json({"tasks": tasks, "recordings": wanted.chosen(), "readout": wanted.readout})

    def decisions_of(self, wildcards: Any) -> list[str]:
        """Input function: the decision that a final run is applied with, where the experiment asks for decisions."""
        wanted = self.experiment.config.decisions
        return [f"{self.results}/{self._run_path(wildcards)}/decision.yaml"] if wanted else []

    def pool_settings(self, wildcards: Any) -> str:
        """JSON of what scoring the folds of a run together depends on."""
        first = self.folds(wildcards)[0]
        columns = {"run": first.columns(split=wildcards.split), "window": first.window}
        return as_json(columns | self._evaluation("intervals"))

    def _evaluation(self, *keys: str) -> dict[str, Any]:
        return self.experiment.config.model_dump(mode="json", include=set(keys))

    # Resources.

    def _need(self, rule: str, wildcards: Any) -> Need:
        if rule == "train":
            return train_need(self._sizes, self.run(wildcards))
        if rule == "convert":
            return need(rule, self._sizes.shard(wildcards.dataset, wildcards.shard))
        return need(rule, self._sizes.dataset(wildcards.dataset))

    def memory(self, rule: str) -> Callable[[Any, int], int]:
        """Resources function: predicted megabytes of a job of a rule, more with each attempt."""
        return lambda wildcards, attempt: _asked(self._need(rule, wildcards).mem_mb * attempt)

    def minutes(self, rule: str) -> Callable[[Any, int], int]:
        """Resources function: predicted minutes of a job of a rule, more with each attempt."""
        return lambda wildcards, attempt: self._need(rule, wildcards).minutes * attempt

    def memory_of(self, rule: str, dataset: str, attempt: int) -> int:
        """Megabytes of a job on a dataset that is not its wildcard."""
        return need(rule, self._sizes.dataset(dataset)).mem_mb * attempt

    def minutes_of(self, rule: str, dataset: str, attempt: int) -> int:
        """Minutes of a job on a dataset that is not its wildcard."""
        return need(rule, self._sizes.dataset(dataset)).minutes * attempt

    def gpus(self, wildcards: Any) -> int:
        """GPUs that a training asks for on each machine."""
        return gpus(self.run(wildcards))


def _asked(megabytes: int) -> int:
    """Return the memory to ask for: none where `ETHOMAKE_NO_MEMORY` is set, for an sbatch that refuses `--mem`."""
    return 0 if os.environ.get("ETHOMAKE_NO_MEMORY", "0") not in ("", "0") else megabytes


def scaled(base: int) -> Callable[[Any, int], int]:
    """Memory that grows with each attempt (retries are set in the profiles)."""
    return lambda wildcards, attempt: _asked(base * attempt)


def simulate_code(card: Card) -> str:
    """Digest of the code that simulates a twin."""
    return code_digest("stages.simulate", *([f"simulate.{card.simulate.generator}"] if card.simulate else []))
