"""The original's data folder as signals, everything checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.core.files import digest
from workflow_scripts.kinematics.geometry import fill_last_seen, nan_mean
from workflow_scripts.methods.daart.inputs import standardise
from workflow_scripts.methods.daart.project.options import ProjectOptions
from workflow_scripts.methods.daart.sequences import Signals
from workflow_scripts.sources import daart_csv, read_tracks


@dataclass(frozen=True)
class Project:
    """A data folder, read.

    Attributes
    ----------
    signals : list of Signals
        In the order of expt_ids.
    classes : tuple of str
        The background among them, usually first.
    columns : tuple of str
        Names of the inputs.
    digests : dict of str to str
        sha256 of every file by its path below data_dir.
    """

    signals: list[Signals]
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    digests: dict[str, str]


def read_inputs(path: Path, options: ProjectOptions) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Read one recording's inputs, (time, column), z-scored by its own frames, and the columns' names.

    Markers give all x before all y, as the original has them. A missing value is the column's last one.
    """
    if options.input_type == daart_csv.MARKERS and path.suffix != ".npy":
        recording = next(read_tracks("daart_csv", path, {}, recording=path.stem))
        flat = recording.position.reshape(recording.n_frames, -1, 2)
        values = np.concatenate([flat[..., 0], flat[..., 1]], axis=1).astype(np.float64)
        points = [point for _ in recording.individuals for point in recording.keypoints]
        names = [f"{point}.{axis}" for axis in "xy" for point in points]
        sure = np.nan_to_num(recording.confidence.reshape(recording.n_frames, -1).astype(np.float64))
        extra = [f"{point}.likelihood" for point in points]
    else:
        values, names = daart_csv.read_features(path)
        sure, extra = np.empty((len(values), 0)), []
    never = np.isnan(values).all(axis=0)
    if never.any():
        raise InputError(path, f"the column {names[int(np.argmax(never))]!r} holds no number", "leave it out")
    parts = [fill_last_seen(values, nan_mean(values, 0))]
    if options.velocity:
        parts.append(np.diff(parts[0], axis=0, prepend=parts[0][:1]))
        names = [*names, *(f"{name}.velocity" for name in names)]
    if options.likelihood:
        if not extra:
            raise ConfigError(f"{path}: likelihood: true needs markers in csv or h5; these have none.")
        parts, names = [*parts, sure], [*names, *extra]
    return standardise(np.concatenate(parts, axis=1)), names


def _labels(
    path: Path | None, n: int, classes: tuple[str, ...] | None, unscored: int | None
) -> tuple[npt.NDArray[np.int64], tuple[str, ...] | None]:
    if path is None:
        return np.full(n, -1), classes
    codes, names, empty = daart_csv.read_one_hot(path)
    if len(codes) != n:
        raise InputError(path, f"labels {len(codes)} frames, the input has {n}", "check that both are of one recording")
    if classes is not None and names != classes:
        raise InputError(
            path, f"has the classes {', '.join(names)}, a file before has {', '.join(classes)}", "give all one order"
        )
    found = codes.astype(np.int64)
    found[empty] = -1
    return np.where(found == unscored, -1, found) if unscored is not None else found, names


def read_project(options: ProjectOptions) -> Project:
    """Read and check all that a point trains on.

    Raises
    ------
    EthoMakeError
        Names the file at fault: absent, of another length, of other classes or columns, without any label.
    """
    folder = options.data_dir
    if not folder.is_dir():
        raise InputError(folder, "is no folder", "correct data_dir")
    for identifier in options.expt_ids_to_keep or []:
        if identifier not in options.expt_ids:
            raise ConfigError(f"expt_ids_to_keep: {identifier!r} is not among expt_ids.")
    classes: tuple[str, ...] | None = None
    columns: list[str] | None = None
    made, files = [], []
    for identifier in options.expt_ids:
        path = daart_csv.find_input(folder, options.input_type, identifier)
        x, names = read_inputs(path, options)
        if columns is not None and names != columns:
            raise InputError(path, f"has {len(names)} columns of other names than {options.expt_ids[0]}", "correct it")
        columns = names
        keep = options.expt_ids_to_keep is None or identifier in options.expt_ids_to_keep
        hand = daart_csv.find_labels(folder, "labels-hand", identifier) if keep else None
        weak = daart_csv.find_labels(folder, "labels-heuristic", identifier) if options.lambda_weak else None
        if options.lambda_weak and weak is None and options.semi_supervised_algo is None:
            raise InputError(folder / "labels-heuristic", f"holds no {identifier}.csv", "add it, or set lambda_weak: 0")
        strong_codes, classes = _labels(hand, len(x), classes, options.unscored)
        weak_codes, classes = _labels(weak, len(x), classes, options.unscored)
        targets = np.empty((len(x), 0), np.float32)
        files += [file for file in (path, hand, weak) if file is not None]
        if options.lambda_task:
            task = daart_csv.find_input(folder, "tasks", identifier)
            values, _ = daart_csv.read_features(task)
            if len(values) != len(x):
                raise InputError(task, f"has {len(values)} frames, the input {len(x)}", "check the recording")
            files.append(task)
            deviation = np.nanstd(values, axis=0)
            targets = ((values - np.nanmean(values, axis=0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
        made.append(Signals(identifier, x, strong_codes, weak_codes, targets))
    if classes is None or columns is None:
        raise EthoMakeError(f"{folder}: no recording of expt_ids has a label file; add one to labels-hand.")
    if options.unscored is not None and options.unscored >= len(classes):
        raise ConfigError(f"ignore_class is {options.unscored}, and there are {len(classes)} classes.")
    sums = {str(file.relative_to(folder)): digest(file) for file in files}
    return Project(made, classes, tuple(columns), sums)
