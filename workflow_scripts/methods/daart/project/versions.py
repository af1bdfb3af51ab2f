"""The original's command: three YAML files in, ``version_N`` folders out, for its users' files and scripts."""

from __future__ import annotations

import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.core.files import atomic_path, read_yaml, write_text
from workflow_scripts.core.tables import write_csv
from workflow_scripts.core.validation import validate
from workflow_scripts.methods.daart.config import NetworkOptions
from workflow_scripts.methods.daart.module import Segmenter, SequenceData
from workflow_scripts.methods.daart.original import read_original, write_original
from workflow_scripts.methods.daart.project.data import Project, read_inputs, read_project
from workflow_scripts.methods.daart.project.options import ALWAYS_WRITTEN, Configs, ProjectOptions, grid, read_configs
from workflow_scripts.training.metrics import read_metrics
from workflow_scripts.training.weights import load_weights

log = logging.getLogger("ethomake.daart")

HPARAMS = "hparams.yaml"


@dataclass(frozen=True)
class Version:
    """One point of the grid and its folder.

    Attributes
    ----------
    folder : Path
        ``results_dir/expt_dir/backbone/tt_experiment_name/version_N``.
    options : ProjectOptions
    identity : str
        Digest of options and data.
    existed : bool
        It was there, finished, so nothing ran.
    beside : dict
        What `hparams.yaml` also tells: the three files, and options that change nothing.
    """

    folder: Path
    options: ProjectOptions
    identity: str
    existed: bool
    beside: dict[str, Any] = field(default_factory=dict)


def experiment_folder(results: Path, recordings: list[str]) -> Path:
    """Return the folder of a set of recordings: its id, or ``multi-<k>`` with the ids in ``expt_info.csv``."""
    if len(recordings) == 1:
        return results / recordings[0]
    wanted, taken = set(recordings), [-1]
    for folder in sorted(results.glob("multi-*")):
        number = folder.name.removeprefix("multi-")
        if number.isdigit():
            taken.append(int(number))
            listed = folder / "expt_info.csv"
            if listed.is_file() and set(pd.read_csv(listed, dtype=str)["expt"]) == wanted:
                return folder
    folder = results / f"multi-{max(taken) + 1}"
    write_csv(folder / "expt_info.csv", pd.DataFrame({"expt": recordings}))
    return folder


def _known_versions(parent: Path) -> dict[int, dict[str, Any]]:
    found = {}
    for folder in parent.glob("version_*"):
        number = folder.name.removeprefix("version_")
        if number.isdigit():
            found[int(number)] = read_yaml(folder / HPARAMS) if (folder / HPARAMS).is_file() else {}
    return found


def check_devices(points: list[ProjectOptions]) -> None:
    """Refuse `device: cuda` where there is none, before any folder is made.

    Raises
    ------
    ConfigError
    """
    if any(options.device == "cuda" for options in points) and not torch.cuda.is_available():
        raise ConfigError("device is cuda, and torch finds no such device here; set device: cpu in train.yaml.")


def _beside(configs: Configs | None) -> dict[str, Any]:
    """Say what the original's hparams.yaml has beside the options that count."""
    if configs is None:
        return {}
    names = dict(zip(("data_config", "model_config", "train_config"), configs.files, strict=False))
    return names | {name: configs.get(name, value) for name, value in ALWAYS_WRITTEN.items()}


def plan(points: list[ProjectOptions], digests: list[dict[str, str]], configs: Configs | None = None) -> list[Version]:
    """Give every point its folder: the one it has, finished or not, else the next number, in the grid's order."""
    versions: list[Version] = []
    taken: dict[Path, dict[int, dict[str, Any]]] = {}
    for options, files in zip(points, digests, strict=True):
        top = experiment_folder(options.results_dir, options.expt_ids)
        parent = top / options.backbone / options.tt_experiment_name
        known = taken.setdefault(parent, _known_versions(parent))
        identity = options.identity(files)
        same = [number for number, hparams in sorted(known.items()) if hparams.get("identity") == identity]
        number = same[0] if same else max(known, default=-1) + 1
        existed = bool(same) and bool(known[number].get("training_completed"))
        known.setdefault(number, {"identity": identity})
        versions.append(Version(parent / f"version_{number}", options, identity, existed, _beside(configs)))
    return versions


def claim(version: Version) -> None:
    """Take a version's folder before it is trained, so that others plan around it."""
    path = version.folder / HPARAMS
    if not path.is_file():
        write_text(path, yaml.safe_dump({"identity": version.identity, "training_completed": False}))


def _hparams(version: Version, project: Project, written: dict[str, Any]) -> None:
    options = version.options
    flat = options.model_dump(mode="json") | {
        "expt_dir": str(version.folder.parents[2]),
        "model_dir": str(version.folder.parents[1]),
        "tt_version_dir": str(version.folder),
        "version": int(version.folder.name.removeprefix("version_")),
        "sequence_pad": options.network.pad,
        "input_size": len(project.columns),
        "output_size": len(project.classes),
        "class_names": list(project.classes),
        "input_names": list(project.columns),
        "identity": version.identity,
        **version.beside,
    }
    if options.backbone == "temporal-mlp":
        flat["activations"] = options.network.activations
    write_text(version.folder / HPARAMS, yaml.safe_dump(flat | written, sort_keys=False, allow_unicode=True))


def make_model(
    options: ProjectOptions, inputs: int, classes: int, targets: int = 0, network: NetworkOptions | None = None
) -> Segmenter:
    """Make the model of a point, its first weights drawn with `rng_seed_model`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.rng_seed_model)
        return Segmenter(
            inputs,
            classes,
            network=network or options.network,
            loss=options.loss,
            learning_rate=options.learning_rate,
            l2_reg=options.l2_reg,
            targets=targets,
            sequence_length=options.sequence_length,
        )


def train_version(version: Version, project: Project) -> None:
    """Train one point and write all its files; `training_completed` is set last.

    A killed run goes on where it stopped.
    """
    options, folder = version.options, version.folder
    folder.mkdir(parents=True, exist_ok=True)
    data = SequenceData(
        project.signals,
        [],
        options=options.sequences,
        network=options.network,
        classes=len(project.classes),
        seed=options.rng_seed_train,
    )
    model = make_model(options, len(project.columns), len(project.classes), project.signals[0].targets.shape[1])
    validates = len(data.held_rows) > 0
    scored = data.scored > 0 and model.network.classifier is not None
    loop = options.loop(scored=scored, validates=validates)
    from workflow_scripts.training.loop import fit  # Lightning takes seconds to import

    # fit writes hparams.yaml of its own; the identity in it lets a killed run be found again.
    result = fit(
        model,
        data,
        folder=folder,
        options=loop,
        seed=options.rng_seed_train,
        hparams={"identity": version.identity, "training_completed": False},
        digest=version.identity,
    )
    last = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    best = load_weights(folder / "weights_best.safetensors")
    write_original(folder / "best_val_model.pt", best, options.network)
    if options.save_last_model:
        write_original(folder / "last_model.pt", last, options.network)
    model.load_state_dict(best)
    if model.network.classifier is not None:
        for signals in project.signals:
            write_states(folder / f"{signals.id}_states.npy", model, signals.x)
    weights = [float(weight) for weight in best["class_weights"]]
    _hparams(
        version,
        project,
        {
            "class_weights": weights,
            "best_val_epoch": result.best_epoch,
            "best_value": result.best_value,
            "monitor": loop.monitor,
            "test_macro_f1": data.test_macro_f1(model),
            "training_completed": True,
        },
    )


def write_states(path: Path, model: Segmenter, x: Any) -> None:
    """Write class probabilities as float32 (time, classes), a row for every frame."""
    with atomic_path(path) as part, open(part, "wb") as handle:
        np.save(handle, model.probabilities(x).cpu().numpy().astype(np.float32))


def _job(version: Version) -> str | None:
    """Train in a process of its own; return what went wrong as a sentence."""
    try:
        train_version(version, read_project(version.options))
    except EthoMakeError as error:
        return str(error)
    return None


def leaderboard(versions: list[Version], axes: list[str]) -> list[Path]:
    """Write ``leaderboard.csv`` beside the versions of each backbone and experiment, the best first.

    Returns
    -------
    list of Path
    """
    rows: dict[Path, list[dict[str, Any]]] = {}
    for version in versions:
        hparams = read_yaml(version.folder / HPARAMS)
        if not hparams.get("training_completed"):
            continue
        epoch = hparams["best_val_epoch"]
        table = read_metrics(version.folder / "metrics.csv").set_index("epoch")
        shown = {name: table.loc[epoch, name] for name in ("val_macro_f1", "val_loss", "train_loss") if name in table}
        varied = {name: getattr(version.options, name) for name in axes}
        row = {"version": version.folder.name, **varied, "best_val_epoch": epoch, **shown}
        rows.setdefault(version.folder.parent, []).append(row)
    paths = []
    for parent, found in rows.items():
        made = pd.DataFrame(found)
        order = [name for name in ("val_macro_f1", "val_loss") if name in made]
        if order:
            made = made.sort_values(order, ascending=[name == "val_loss" for name in order], kind="stable")
        write_csv(parent / "leaderboard.csv", made, float_format="%.6g")
        paths.append(parent / "leaderboard.csv")
    return paths


def run(data_config: Path, model_config: Path, train_config: Path, *, workers: int = 1) -> list[Version]:
    """Train the grid that three YAML files of the original span.

    Parameters
    ----------
    data_config, model_config, train_config : Path
    workers : int
        Points trained at once, each in a process of its own with one thread.

    Returns
    -------
    list of Version
        In the grid's order; finished ones are given by `existed`.

    Raises
    ------
    EthoMakeError
        When the files or the data cannot be used, before anything is trained; or when a point failed, after the others.
    """
    configs = read_configs(data_config, model_config, train_config)
    points, axes = grid(configs)
    check_devices(points)
    read: dict[str, dict[str, str]] = {}
    for options in points:  # everything is checked before anything is trained, and what points share is read once
        if options.data_key not in read:
            read[options.data_key] = read_project(options).digests
    versions = plan(points, [read[options.data_key] for options in points], configs)
    waiting = [version for version in versions if not version.existed]
    for version in versions:
        if version.existed:
            log.info("%s exists", version.folder)
    if workers > 1 and len(waiting) > 1:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(waiting)), mp_context=context) as pool:
            problems = list(pool.map(_job, waiting))
    else:
        problems = [_job(version) for version in waiting]
    leaderboard([v for v in versions if (v.folder / HPARAMS).is_file()], axes)
    failed = [(v, problem) for v, problem in zip(waiting, problems, strict=True) if problem]
    if failed:
        version, problem = failed[0]
        raise EthoMakeError(
            f"{len(failed)} of {len(waiting)} points failed; the first, {version.folder.name}: {problem}"
        )
    return versions


def load_version(folder: Path) -> tuple[Segmenter, ProjectOptions, dict[str, Any]]:
    """Read a ``version_N`` folder, ours or the original's.

    Raises
    ------
    InputError
        When `hparams.yaml` or `best_val_model.pt` is absent or does not fit.
    """
    hparams = read_yaml(folder / HPARAMS)
    known = {k: v for k, v in hparams.items() if k in ProjectOptions.model_fields and v is not None}
    options = validate(ProjectOptions, known | {"device": "cpu"}, where=str(folder / HPARAMS))
    state, network = read_original(folder / "best_val_model.pt")
    if network.backbone != options.backbone:
        raise InputError(folder / HPARAMS, f"says {options.backbone}, the weights are {network.backbone}", "correct it")
    targets = len(state["network.task.2.bias"]) if "network.task.2.bias" in state else 0
    # Folders that tell nothing are the original's, or ours from before its single activation was known.
    activations = hparams.get("activations") or ("every" if "identity" in hparams else "first")
    shape = options.network.model_copy(update={"activations": activations})
    model = make_model(options, len(state["centre"]), len(state["class_weights"]), targets, shape)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(folder / "best_val_model.pt", f"does not fit {HPARAMS} ({error})", "check both") from error
    return model.eval(), options, hparams


def predict(folder: Path, inputs: list[Path], output: Path) -> list[Path]:
    """Predict new recordings with a ``version_N`` folder, ours or the original's; their length does not matter.

    Parameters
    ----------
    folder : Path
    inputs : list of Path
        Files of the kind the model was trained on.
    output : Path
        Folder that gets ``<id>_states.npy``.

    Raises
    ------
    InputError
        When a file has other columns than the model.
    """
    model, options, hparams = load_version(folder)
    written = []
    for path in inputs:
        x, names = read_inputs(path, options)
        expected = hparams.get("input_names")
        if x.shape[1] != len(model.centre) or (expected and list(names) != expected):
            raise InputError(
                path, f"has {x.shape[1]} columns, the model was trained on {len(model.centre)}", "check names and order"
            )
        identifier = path.stem.removesuffix("_labeled")
        write_states(output / f"{identifier}_states.npy", model, x)
        written.append(output / f"{identifier}_states.npy")
    return written
