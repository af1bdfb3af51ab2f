"""An experiment: the resolved configuration, its cards, and the runs it stands for.

Imported while the graph is built, so nothing heavy may be imported here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from workflow_scripts import methods
from workflow_scripts.cards.card import FINAL, Card, load_card
from workflow_scripts.cards.parts import Published
from workflow_scripts.cards.places import as_folders, config_path
from workflow_scripts.cards.published import load_published, with_published
from workflow_scripts.cards.splits import default_split, trained_as
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.validation import deep_merge, validate
from workflow_scripts.experiment.applications import check_applications
from workflow_scripts.experiment.check_names import check_names
from workflow_scripts.experiment.joint_runs import check_joint, joint_runs, methods_of
from workflow_scripts.experiment.runs import JOINT, Run
from workflow_scripts.experiment.schema import Configuration, DatasetUse
from workflow_scripts.experiment.settings import setting_name
from workflow_scripts.metrics import chance

PROBED = ("tracks", "clips")
"""Kinds whose embeddings are judged by a linear probe; of images, the points that a method finds are judged."""

WITHOUT_EFFECT = ("mirrors", "download", "keep_going")
"""Keys that change no result: they travel by environment and are no parameter of any rule."""

Places = str | Path | Sequence[Path]


def load_configuration(places: Places, overrides: dict[str, Any]) -> Configuration:
    """Lay the user's configuration over the experiment's file (and over what that extends), and validate.

    Parameters
    ----------
    places : str, Path or sequence of Path
        Folders that hold `config/`, the user's first.
    overrides : dict
        What Snakemake merged from configuration files and the command line. Where it names no datasets, those of
        `config/experiments/<experiment>.yaml` are taken.

    Raises
    ------
    ConfigError
        Unknown key, wrong type or value out of range: one sentence with the nearest valid name.
    """
    merged = _extended(places, dict(overrides), ())
    if not merged.get("datasets"):
        name = str(merged.get("experiment", "demo"))
        base = _extended(places, read_yaml(config_path(places, "experiments", name)) or {}, (name,))
        merged = deep_merge(base, merged)
    return validate(Configuration, merged, where="configuration")


def _extended(places: Places, config: dict[str, Any], seen: tuple[str, ...]) -> dict[str, Any]:
    parent = config.pop("extends", None)
    if parent is None:
        return config
    if parent in seen:
        raise ConfigError(f"The experiments {' → '.join([*seen, parent])} extend each other in a circle.")
    base = read_yaml(config_path(places, "experiments", str(parent))) or {}
    return deep_merge(_extended(places, base, (*seen, parent)), config)


class Experiment:
    """A validated configuration with the cards it names.

    Parameters
    ----------
    config : Configuration
    cards : dict of str to Card
        Of the configuration's datasets, with the published numbers about each.
    published : dict of str to list of Published
        Numbers of the literature, by dataset.
    """

    def __init__(self, config: Configuration, cards: dict[str, Card], published: dict[str, list[Published]]) -> None:
        self.config = config
        self.name = config.experiment
        self.cards = cards
        self.published = published
        self._check()

    def _check(self) -> None:
        check_names(self)
        check_joint(self)
        check_applications(self)
        _ = self.runs  # every setting's options are validated before the graph is built

    def use(self, dataset: str) -> DatasetUse:
        """How the experiment uses a dataset; one that models are only applied to has no runs of its own."""
        return self.config.datasets[dataset] if dataset in self.config.datasets else DatasetUse(methods=[])

    def tasks(self, dataset: str) -> list[str]:
        """Tasks probed on a dataset; none on one that models are only applied to."""
        if dataset not in self.config.datasets:
            return []
        return self.use(dataset).tasks or list(self.cards[dataset].tasks)

    def _settings(self, dataset: str, method: str) -> list[tuple[str, methods.Options]]:
        overrides = self.use(dataset).overrides.get(method, {})
        base = deep_merge(self.config.methods[method] or {}, overrides)
        grid = self.config.sweep.get(method, {})
        if not grid:
            return [("default", methods.parse(method, base))]
        settings = []
        for values in itertools.product(*grid.values()):
            chosen = dict(zip(grid, values, strict=True))
            settings.append((setting_name(chosen), methods.parse(method, deep_merge(base, chosen))))
        return settings

    def setting_names(self, dataset: str, method: str) -> list[str]:
        """Names of a method's hyper-parameter settings on a dataset."""
        return [name for name, _ in self._settings(dataset, method)]

    def once(self, row: str, setting: str = "default") -> bool:
        """Whether a method, a setting of its sweep, or a joint row runs with the first seed alone."""
        return not {row, f"{row}/{setting}"}.isdisjoint(self.config.one_seed)

    def programs(self, row: str) -> list[str]:
        """Methods whose code a row of the experiment runs: itself, or that of joint runs and its members'."""
        members = self.config.joint.get(row)
        return [row] if members is None else [JOINT, *methods_of(members)]

    @cached_property
    def runs(self) -> list[Run]:
        """Every run of the experiment that is judged, or pretrains, in a stable order; :attr:`finals` are apart."""
        return self._runs({dataset: self._families(dataset) for dataset in self.config.datasets})

    def trained_runs(self) -> list[Run]:
        """Runs that train a model of their own."""
        return [run for run in self.runs if run.shared is None]

    def _families(self, dataset: str) -> list[str]:
        """Split families that hold something out."""
        return [family for family in self.use(dataset).splits if family != FINAL]

    @cached_property
    def finals(self) -> list[Run]:
        """Runs in which everything labelled trains: of datasets with the split `all`, or whose models are applied."""
        applied = {wanted.model() for wanted in self.config.apply}
        return self._runs(
            {
                dataset: [FINAL] if dataset in applied or FINAL in use.splits else []
                for dataset, use in self.config.datasets.items()
            }
        )

    def _runs(self, families: dict[str, list[str]]) -> list[Run]:
        found = []
        for dataset, use in self.config.datasets.items():
            card, runs = self.cards[dataset], []
            splits = [(family, split) for family in families[dataset] for split in card.split_names(family)]
            for method in [name for name in use.methods or self.config.methods if name not in self.config.joint]:
                model = methods.config_model(method)
                if model.kind != card.kind:
                    continue
                for setting, parsed in self._settings(dataset, method):
                    options, readout = parsed.model_dump(mode="json"), parsed.readout()
                    window = parsed.window_frames()
                    known: dict[tuple[str, str, int], Run] = {}
                    for mode in self.config.modes if model.faithful else ["sound"]:
                        for family, split in splits:
                            if not use.runs_on(method, family):
                                continue
                            pooled = card.pooled_as(family, split)
                            trained = trained_as(card.splits.get(family), family, split)
                            once = not model.seeded or family in use.one_seed or self.once(method, setting)
                            for seed in self.config.seeds[:1] if once else self.config.seeds:
                                run = Run(dataset, method, mode, setting, split, seed, pooled, options, readout, window)
                                if trained != split and not parsed.reads_labels():
                                    run = replace(run, shared=known[mode, trained, seed])
                                known[mode, split, seed] = run
                                runs.append(run)
            found += [*runs, *joint_runs(self, dataset, runs)]
        return found

    @cached_property
    def chance_runs(self) -> list[Run]:
        """Runs of the chance rows: they have no options, and the first seed alone."""
        found = []
        for dataset in self.config.datasets:
            for family in self._families(dataset):
                card = self.cards[dataset]
                for split in card.split_names(family):
                    pooled = card.pooled_as(family, split)
                    for method in chance.of_data(self.cards[dataset].kind):
                        found.append(Run(dataset, method, "sound", "default", split, self.config.seeds[0], pooled, {}))
        return [run for run in found if self.tasks(run.dataset)]

    @cached_property
    def _by_path(self) -> dict[str, Run]:
        return {run.path(): run for run in [*self.runs, *self.finals, *self.chance_runs]}

    def run(self, path: str) -> Run:
        """Return the run that lives at a path below `results/<experiment>/`."""
        try:
            return self._by_path[path]
        except KeyError as error:
            raise ConfigError(f"The experiment {self.name!r} has no run {path!r}.") from error

    def probed(self, run: Run) -> bool:
        """Whether a linear probe is fitted on a run's embeddings."""
        return bool(self.tasks(run.dataset)) and self.cards[run.dataset].kind in PROBED

    def fitted_runs(self) -> list[Run]:
        """Runs that a linear probe is fitted on."""
        return [run for run in self.runs if self.probed(run)]

    def probe_runs(self) -> list[Run]:
        """Those and the chance runs: runs with a `probe.csv`."""
        return [*self.fitted_runs(), *self.chance_runs]

    def scored_runs(self) -> list[Run]:
        """Runs and chance runs with any table of scores."""
        return list(dict.fromkeys([*self.probe_runs(), *self.predicting_runs()]))

    def pretraining_runs(self) -> list[Run]:
        """Runs on datasets without tasks: they end with their embedder, which others may start from."""
        return [run for run in self.trained_runs() if not self.tasks(run.dataset)]

    def pretraining_results(self) -> list[str]:
        """Paths, below `results/<experiment>/`, of what runs on datasets without tasks end with.

        Embeddings; but an embedder where other runs start from it, where a kind has no embeddings, or where the
        experiment asks for none.
        """
        started = {path for run in self.runs for path in self.named_files(run)}
        found = []
        for run in self.pretraining_runs():
            folder = f"results/{self.name}/{run.path()}/"
            unembedded = self.cards[run.dataset].kind not in PROBED or not self.use(run.dataset).embed
            ends = unembedded or any(path.startswith(folder) for path in started)
            found.append(f"{run.path()}/{'embedder/config.yaml' if ends else 'embeddings.h5'}")
        return found

    def swept_runs(self) -> list[Run]:
        """Runs of a sweep that train by gradient, whose settings the leaderboard ranks by validation."""
        return [run for run in self.trained_runs() if run.method in self.config.sweep and "training" in run.options]

    def predicting_runs(self) -> list[Run]:
        """Runs whose method predicts by itself, on datasets with labels to judge that by."""
        return [run for run in self.runs if run.readout and self.tasks(run.dataset)]

    def decided_runs(self) -> list[Run]:
        """Runs whose own predictions are decided: those of frames, where the experiment asks for decisions."""
        if not self.config.decisions:
            return []
        return [run for run in self.predicting_runs() if self.probed(run)]

    @staticmethod
    def pooled(runs: list[Run]) -> dict[str, list[Run]]:
        """Folds to be scored together: path of the pooled run → its folds."""
        found: dict[str, list[Run]] = {}
        for run in runs:
            if run.family != run.split:
                found.setdefault(run.path(run.family), []).append(run)
        return found

    def settings(self) -> list[dict[str, str]]:
        """Which options each hyper-parameter setting of each dataset and method stands for."""
        found = {(run.dataset, run.method, run.setting): run.about() for run in self.runs}
        return [
            {"dataset": dataset, "method": method, "setting": setting, "options": json.dumps(options, sort_keys=True)}
            for (dataset, method, setting), options in found.items()
        ]

    def tables(self) -> list[str]:
        """Paths, below `results/<experiment>/`, of every table of scores."""
        found = []
        named = (
            (self.probe_runs(), "probe.csv"),
            (self.predicting_runs(), "native.csv"),
            (self.fitted_runs() if self.config.decisions else [], "decided.csv"),
            (self.decided_runs(), "native_decided.csv"),
        )
        for runs, name in named:
            found += [f"{run.path()}/{name}" for run in runs] + [f"{path}/{name}" for path in self.pooled(runs)]
        return found

    def named_files(self, run: Run) -> list[str]:
        """Files that a run's options name and its training starts from."""
        return methods.parse(run.program, run.options).files()

    def augmented(self, run: Run) -> str | None:
        """Path of the augmented set that a run trains on, None where it needs no such file."""
        options = methods.parse(run.program, run.options).stored_copies(run.mode)
        if options is None:
            return None
        return f"data/{run.dataset}/augmented/{run.method}/{setting_name(options)}/seed{run.seed}.h5"

    @cached_property
    def augmentations(self) -> dict[str, tuple[Run, dict[str, Any]]]:
        """Every augmented set: path → a run that trains on it, and the options it is made with."""
        found: dict[str, tuple[Run, dict[str, Any]]] = {}
        for run in [*self.runs, *self.finals]:
            path = self.augmented(run)
            if path is not None:
                options = methods.parse(run.program, run.options).stored_copies(run.mode)
                found.setdefault(path, (run, options or {}))
        return found

    def mapped_runs(self) -> list[Run]:
        """Runs whose embeddings are drawn: the first of each dataset, method, mode and setting."""
        found: dict[tuple[str, ...], Run] = {}
        for run in self.fitted_runs():
            found.setdefault((run.dataset, run.method, run.mode, run.setting), run)
        return list(found.values())

    def contenders(self) -> list[tuple[Run, dict[int, list[str]]]]:
        """Every method as it is compared: its first run, and by seed the predictions of all folds."""
        found: dict[tuple[str, ...], tuple[Run, dict[int, list[str]]]] = {}
        for runs, name in ((self.probe_runs(), "probe_predictions.h5"), (self.predicting_runs(), "predictions.h5")):
            for run in runs:
                key = (name, run.dataset, run.method, run.mode, run.setting, run.family)
                found.setdefault(key, (run, {}))[1].setdefault(run.seed, []).append(f"{run.path()}/{name}")
        return list(found.values())

    def predictions(self) -> list[tuple[Run, str, str]]:
        """Run, name for the report, and path of each file of held-out predictions, chance left out."""
        probed = [(run, run.method, f"{run.path()}/probe_predictions.h5") for run in self.fitted_runs()]
        native = [
            (run, f"{run.method} ({run.readout})", f"{run.path()}/predictions.h5") for run in self.predicting_runs()
        ]
        return [*probed, *native]

    def motif_tables(self) -> list[str]:
        """Paths, below `results/<experiment>/`, of what the section `motifs` asks for."""
        wanted = self.config.motifs
        if wanted is None:
            return []
        names = ["motifs/label_f1.csv", *methods.config_model(wanted.method).pretraining_tables]
        return [f"{run.path()}/{name}" for run in self.motif_runs() for name in names]

    def motif_runs(self) -> list[Run]:
        """Runs whose embeddings are segmented into motifs."""
        wanted = self.config.motifs
        return [run for run in self.trained_runs() if wanted and run.method == wanted.method and run.readout is None]

    def results_config(self) -> dict[str, Any]:
        """Return the configuration as JSON values, without what changes no result."""
        return self.config.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))


def load_experiment(places: Places, overrides: dict[str, Any]) -> Experiment:
    """Validate a configuration and read the cards it names."""
    config = load_configuration(places, overrides)
    published: dict[str, list[Published]] = {}
    for folder in reversed(as_folders(places)):
        published |= load_published(folder)
    names = dict.fromkeys([*config.datasets, *(wanted.dataset for wanted in config.apply)])
    cards = {name: load_card(config_path(places, "datasets", name)) for name in names}
    for name, use in config.datasets.items():
        if "splits" not in use.model_fields_set:
            config.datasets[name] = use.model_copy(update={"splits": [default_split(cards[name].splits)]})
    return Experiment(config, {name: with_published(card, published) for name, card in cards.items()}, published)


def named_experiment(places: Places, name: str) -> Experiment:
    """Read an experiment by its name in `config/experiments`, or from a YAML file anywhere."""
    path = Path(name)
    return load_experiment(places, read_yaml(path) if path.suffix in {".yaml", ".yml"} else {"experiment": name})
