"""An experiment: the resolved configuration, its cards, and the runs it stands for.

Imported while the graph is built, so nothing heavy may be imported here.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from workflow_scripts import methods
from workflow_scripts.cards.card import Card, card_path, load_card
from workflow_scripts.cards.published import load_published, with_published
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.validation import deep_merge, nearest, validate
from workflow_scripts.experiment.schema import Configuration, DatasetUse
from workflow_scripts.metrics import chance

PROBED = ("tracks", "clips")
"""Kinds whose embeddings are judged by a linear probe; of images, the points that a method finds are judged."""

POINT_LENGTH = 60
"""Longest hyper-parameter point that is spelt out in a path."""


@dataclass(frozen=True)
class Run:
    """Dataset × method × mode × hyper-parameter point × split × seed.

    `window` is the number of frames that the method sees at a time, where its scores stand beside those of windows.
    """

    dataset: str
    method: str
    mode: str
    point: str
    split: str
    seed: int
    family: str
    options: dict[str, Any] = field(compare=False)
    readout: str | None = field(default=None, compare=False)
    window: int | None = field(default=None, compare=False)

    def path(self, split: str | None = None) -> str:
        """Path below `results/<experiment>/` (of another split of the same run, where given)."""
        return f"runs/{self.dataset}/{self.method}/{self.mode}/{self.point}/{split or self.split}/seed{self.seed}"


def load_configuration(root: str | Path, overrides: dict[str, Any]) -> Configuration:
    """Lay the user's configuration over the experiment's file (and over what that extends), and validate.

    Parameters
    ----------
    root : str or Path
        Folder that holds `config/`.
    overrides : dict
        What Snakemake merged from configuration files and the command line. Where it names no datasets, those of
        `config/experiments/<experiment>.yaml` are taken.

    Raises
    ------
    ConfigError
        Unknown key, wrong type or value out of range: one sentence with the nearest valid name.
    """
    merged = _extended(root, dict(overrides), ())
    if not merged.get("datasets"):
        name = str(merged.get("experiment", "demo"))
        folder = Path(root) / "config" / "experiments"
        known = sorted(path.stem for path in folder.glob("*.yaml"))
        if name not in known:
            raise ConfigError(f"There is no experiment {name!r} in config/experiments{nearest(name, known)}.")
        base = _extended(root, read_yaml(folder / f"{name}.yaml") or {}, (name,))
        merged = deep_merge(base, merged)
    return validate(Configuration, merged, where="configuration")


def _extended(root: str | Path, config: dict[str, Any], seen: tuple[str, ...]) -> dict[str, Any]:
    parent = config.pop("extends", None)
    if parent is None:
        return config
    if parent in seen:
        raise ConfigError(f"The experiments {' → '.join([*seen, parent])} extend each other in a circle.")
    base = read_yaml(Path(root) / "config" / "experiments" / f"{parent}.yaml") or {}
    return deep_merge(_extended(root, base, (*seen, parent)), config)


class Experiment:
    """A validated configuration with the cards it names.

    Parameters
    ----------
    root : str or Path
        Folder that holds `config/`.
    config : Configuration
    """

    def __init__(self, root: str | Path, config: Configuration) -> None:
        self.root = Path(root)
        self.config = config
        self.name = config.experiment
        known = sorted(path.stem for path in (self.root / "config" / "datasets").glob("*.yaml"))
        for dataset in config.datasets:
            if dataset not in known:
                raise ConfigError(f"There is no dataset {dataset!r} in config/datasets{nearest(dataset, known)}.")
        self.published = load_published(self.root)
        self.cards: dict[str, Card] = {
            name: with_published(load_card(card_path(self.root, name)), self.published) for name in config.datasets
        }
        self._check()

    def _check(self) -> None:
        config = self.config
        for name in [*config.methods, *config.sweep]:
            if name not in methods.names():
                raise ConfigError(f"There is no method {name!r}{nearest(name, methods.names())}.")
        for name in config.sweep:
            if name not in config.methods:
                raise ConfigError(f"sweep.{name}: the method is swept but not listed under methods; add it there.")
        for dataset, use in config.datasets.items():
            for name in [*(use.methods or []), *use.overrides]:
                if name not in config.methods:
                    listed = list(config.methods)
                    raise ConfigError(
                        f"datasets.{dataset}: the method {name!r} is not listed under methods{nearest(name, listed)}."
                    )
            tasks = self.cards[dataset].tasks
            for task in use.tasks or []:
                if task not in tasks:
                    raise ConfigError(
                        f"datasets.{dataset}.tasks: the card has no task {task!r}{nearest(task, list(tasks))}."
                    )
            for family in use.splits:
                self.cards[dataset].split_names(family)
        _ = self.runs  # every point's options are validated before the graph is built

    def use(self, dataset: str) -> DatasetUse:
        """How the experiment uses a dataset."""
        return self.config.datasets[dataset]

    def tasks(self, dataset: str) -> list[str]:
        """Tasks probed on a dataset."""
        return self.use(dataset).tasks or list(self.cards[dataset].tasks)

    def _points(self, dataset: str, method: str) -> list[tuple[str, methods.Options]]:
        overrides = self.use(dataset).overrides.get(method, {})
        base = deep_merge(self.config.methods[method] or {}, overrides)
        grid = self.config.sweep.get(method, {})
        if not grid:
            return [("default", methods.parse(method, base))]
        points = []
        for values in itertools.product(*grid.values()):
            chosen = dict(zip(grid, values, strict=True))
            points.append((point_name(chosen), methods.parse(method, deep_merge(base, chosen))))
        return points

    @cached_property
    def runs(self) -> list[Run]:
        """Every run of the experiment, in a stable order."""
        runs = []
        for dataset, use in self.config.datasets.items():
            card = self.cards[dataset]
            splits = [(family, name) for family in use.splits for name in card.split_names(family)]
            for method in use.methods or self.config.methods:
                model = methods.config_model(method)
                if model.kind != card.kind:
                    continue
                seeds = self.config.seeds if model.seeded else self.config.seeds[:1]
                for point, parsed in self._points(dataset, method):
                    options, readout = parsed.model_dump(mode="json"), parsed.readout()
                    window = parsed.window_frames()
                    for mode in self.config.modes if model.faithful else ["sound"]:
                        for family, split in splits:
                            for seed in seeds:
                                runs.append(
                                    Run(dataset, method, mode, point, split, seed, family, options, readout, window)
                                )
        return runs

    @cached_property
    def chance_runs(self) -> list[Run]:
        """Runs of the chance rows: they have no options, and the first seed alone."""
        found = []
        for dataset, use in self.config.datasets.items():
            for family in use.splits:
                for split in self.cards[dataset].split_names(family):
                    for method in chance.of_data(self.cards[dataset].kind):
                        found.append(Run(dataset, method, "sound", "default", split, self.config.seeds[0], family, {}))
        return [run for run in found if self.tasks(run.dataset)]

    @cached_property
    def _by_path(self) -> dict[str, Run]:
        return {run.path(): run for run in [*self.runs, *self.chance_runs]}

    def run(self, path: str) -> Run:
        """Return the run that lives at a path below `results/<experiment>/`."""
        try:
            return self._by_path[path]
        except KeyError as error:
            raise ConfigError(f"The experiment {self.name!r} has no run {path!r}.") from error

    def fitted(self) -> list[Run]:
        """Runs that a linear probe is fitted on."""
        return [run for run in self.runs if self.tasks(run.dataset) and self.cards[run.dataset].kind in PROBED]

    def probed(self) -> list[Run]:
        """Those and the chance runs: runs with a `probe.csv`."""
        return [*self.fitted(), *self.chance_runs]

    def judged(self) -> list[Run]:
        """Runs and chance runs with any table of scores."""
        return list(dict.fromkeys([*self.probed(), *self.predicting()]))

    def unjudged(self) -> list[Run]:
        """Runs on datasets without tasks: they end with their embedder, which others may start from."""
        return [run for run in self.runs if not self.tasks(run.dataset)]

    def swept(self) -> list[Run]:
        """Runs of a sweep that train by gradient, whose points the leaderboard ranks by validation."""
        return [run for run in self.runs if run.method in self.config.sweep and "training" in run.options]

    def predicting(self) -> list[Run]:
        """Runs whose method predicts by itself, on datasets with labels to judge that by."""
        return [run for run in self.runs if run.readout and self.tasks(run.dataset)]

    @staticmethod
    def pooled(runs: list[Run]) -> dict[str, list[Run]]:
        """Folds to be scored together: path of the pooled run → its folds."""
        found: dict[str, list[Run]] = {}
        for run in runs:
            if run.family != run.split:
                found.setdefault(run.path(run.family), []).append(run)
        return found

    def points(self) -> list[dict[str, str]]:
        """Which options each hyper-parameter point of each dataset and method stands for."""
        found = {(run.dataset, run.method, run.point): run.options for run in self.runs}
        return [
            {"dataset": dataset, "method": method, "point": point, "options": json.dumps(options, sort_keys=True)}
            for (dataset, method, point), options in found.items()
        ]

    def tables(self) -> list[str]:
        """Paths, below `results/<experiment>/`, of every table of scores."""
        found = []
        for runs, name in ((self.probed(), "probe.csv"), (self.predicting(), "native.csv")):
            found += [f"{run.path()}/{name}" for run in runs] + [f"{path}/{name}" for path in self.pooled(runs)]
        return found

    def image_runs(self) -> dict[str, list[Run]]:
        """Runs whose found points are judged, the folds of a family together: path → its runs."""
        runs = [run for run in self.predicting() if self.cards[run.dataset].kind == "images"]
        return self.pooled(runs) | {run.path(): [run] for run in runs if run.family == run.split}

    def tagging(self) -> list[Run]:
        """Runs that tag their dataset's movie: the first of each dataset, method, mode and point."""
        first: dict[tuple[str, ...], Run] = {}
        for runs in self.image_runs().values():
            if self.cards[runs[0].dataset].movies:
                first.setdefault((runs[0].dataset, runs[0].method, runs[0].mode, runs[0].point), runs[0])
        return list(first.values())

    def augmented(self, run: Run) -> str | None:
        """Path of the augmented set that a run trains on, None where it needs no such file."""
        options = methods.parse(run.method, run.options).stored_copies(run.mode)
        if options is None:
            return None
        return f"data/{run.dataset}/augmented/{run.method}/{point_name(options)}/seed{run.seed}.h5"

    @cached_property
    def augmentations(self) -> dict[str, tuple[Run, dict[str, Any]]]:
        """Every augmented set: path → a run that trains on it, and the options it is made with."""
        found: dict[str, tuple[Run, dict[str, Any]]] = {}
        for run in self.runs:
            path = self.augmented(run)
            if path is not None:
                options = methods.parse(run.method, run.options).stored_copies(run.mode)
                found.setdefault(path, (run, options or {}))
        return found

    def leaking(self) -> list[Run]:
        """Runs that show what a validation set drawn after augmentation hides: the faithful ones of the first seed."""
        return [
            run
            for runs in self.image_runs().values()
            for run in runs
            if run.mode == "faithful" and run.seed == self.config.seeds[0] and self.augmented(run)
        ]

    def mapped(self) -> list[Run]:
        """Runs whose embeddings are drawn: the first of each dataset, method, mode and point."""
        found: dict[tuple[str, ...], Run] = {}
        for run in self.fitted():
            found.setdefault((run.dataset, run.method, run.mode, run.point), run)
        return list(found.values())

    def contenders(self) -> list[tuple[Run, dict[int, list[str]]]]:
        """Every method as it is compared: its first run, and by seed the predictions of all folds."""
        found: dict[tuple[str, ...], tuple[Run, dict[int, list[str]]]] = {}
        for runs, name in ((self.probed(), "probe_predictions.h5"), (self.predicting(), "predictions.h5")):
            for run in runs:
                key = (name, run.dataset, run.method, run.mode, run.point, run.family)
                found.setdefault(key, (run, {}))[1].setdefault(run.seed, []).append(f"{run.path()}/{name}")
        return list(found.values())

    def predictions(self) -> list[tuple[Run, str, str]]:
        """Run, name for the report, and path of each file of held-out predictions, chance left out."""
        probed = [(run, run.method, f"{run.path()}/probe_predictions.h5") for run in self.fitted()]
        native = [(run, f"{run.method} ({run.readout})", f"{run.path()}/predictions.h5") for run in self.predicting()]
        return [*probed, *native]

    def motif_tables(self) -> list[str]:
        """Paths, below `results/<experiment>/`, of what the section `motifs` asks for."""
        wanted = self.config.motifs
        runs = [run for run in self.runs if wanted and run.method == wanted.method and run.readout is None]
        return [f"{run.path()}/{name}" for run in runs for name in ("motifs/label_f1.csv", "pretext.csv")]

    def digest(self) -> str:
        """Digest what results depend on: the configuration but for where files are fetched from, in 16 digits."""
        told = self.config.model_dump_json(exclude={"mirrors", "download"})
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return the resolved configuration as JSON on one line."""
        return json.dumps(self.config.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)


def point_name(values: dict[str, Any]) -> str:
    """Name a hyper-parameter point: its swept fields while short (`lr~0.001,layers~2`), else a stable id.

    A swept field that is a group of options (`loss: {lambda_weak: 0}`) is named by those within, `lambda_weak~0`.
    """
    leaves = list(_leaves(values))
    last = [path[-1] for path, _ in leaves]
    named = [
        (name if last.count(name) == 1 else ".".join(path), value)
        for name, (path, value) in zip(last, leaves, strict=True)
    ]
    text = ",".join(f"{name}~{value}" for name, value in named)
    if len(text) <= POINT_LENGTH and all(c.isalnum() or c in "~,._-" for c in text):
        return text
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def _leaves(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def load_experiment(root: str | Path, overrides: dict[str, Any]) -> Experiment:
    """Validate a configuration and read the cards it names."""
    return Experiment(root, load_configuration(root, overrides))


def named_experiment(root: str | Path, name: str) -> Experiment:
    """Read an experiment by its name in `config/experiments`, or from a YAML file anywhere."""
    path = Path(name)
    return load_experiment(root, read_yaml(path) if path.suffix in {".yaml", ".yml"} else {"experiment": name})
