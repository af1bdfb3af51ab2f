"""Weak labels by rules: thresholds over named quantities, short bouts dropped, short gaps filled."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.typing import Float64Array
from workflow_scripts.core.validation import nearest, validate
from workflow_scripts.formats.bouts import runs
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.geometry import nan_mean, norm, rate, rolling_moments
from workflow_scripts.methods.daart.rules_options import Quantity, RuleBook
from workflow_scripts.sources import daart_csv, read_tracks

Codes = npt.NDArray[np.int64]
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
PERCENTILE = 99


def _index(recording: Recording, names: Sequence[str], known: tuple[str, ...], what: str) -> list[int]:
    for name in names:
        if name not in known:
            raise ConfigError(f"rules: recording {recording.id!r} has no {what} {name!r}{nearest(name, list(known))}.")
    return [known.index(name) for name in names] or list(range(len(known)))


def measure(recording: Recording, quantity: Quantity) -> Float64Array:
    """Measure a quantity in every frame, NaN where its points are missing.

    Raises
    ------
    ConfigError
        When it names a point or animal that is not there.
    """
    animal = _index(recording, [quantity.individual] if quantity.individual else [], recording.individuals, "animal")[0]
    points = _index(recording, quantity.points, recording.keypoints, "point")
    position = recording.position[:, animal][:, points].astype(np.float64)
    if quantity.measure == "energy":
        change = np.abs(np.diff(position, axis=0, prepend=position[:1]))
        values = nan_mean(change, (1, 2))
    elif quantity.measure == "speed":
        values = norm(rate(nan_mean(position, 1), recording.fps))
    elif quantity.measure == "distance":
        values = norm(position[:, 0] - position[:, 1])
    else:
        values = nan_mean(position[..., "xy".index(quantity.measure)], 1)
    if quantity.smooth > 1:
        window = quantity.smooth | 1  # a centred window has an odd number of frames
        values = rolling_moments(values[:, None], window, deviation=False)[0][:, 0]
    if quantity.scale == "q99":
        seen = values[~np.isnan(values)]
        top = float(np.percentile(seen, PERCENTILE)) if len(seen) else 0.0
        return values / top if top > 0 else values
    return values / float(quantity.scale)


def _drop_short(codes: Codes, code: int, shortest: int) -> None:
    for start, stop, value in runs(codes).triples():
        if value == code and stop - start < shortest:
            codes[start:stop] = -1


def _fill_gaps(codes: Codes, longest: int) -> None:
    found = runs(codes).triples()
    for before, gap, after in zip(found, found[1:], found[2:], strict=False):
        if gap[2] == -1 and before[2] == after[2] and gap[1] - gap[0] <= longest:
            codes[gap[0] : gap[1]] = before[2]


def apply_rules(recording: Recording, book: RuleBook, vocabulary: Sequence[str]) -> Codes:
    """Label a recording by rules.

    Parameters
    ----------
    recording : Recording
    book : RuleBook
    vocabulary : sequence of str
        Class names by index.

    Returns
    -------
    ndarray of int64, shape (time,)
        Class, -1 where no rule holds. Where a quantity is missing, no condition on it holds.

    Raises
    ------
    ConfigError
        When a rule names a behaviour outside the vocabulary, or a quantity a point that is not there.
    """
    values = {name: measure(recording, quantity) for name, quantity in book.quantities.items()}
    codes: Codes = np.full(recording.n_frames, -1, dtype=np.int64)
    for rule in book.rules:
        if rule.behaviour not in vocabulary:
            near = nearest(rule.behaviour, list(vocabulary))
            raise ConfigError(f"rules: there is no behaviour {rule.behaviour!r}{near}.")
        holds = codes == -1
        for quantity, sign, limit in rule.conditions:
            with np.errstate(invalid="ignore"):
                holds &= COMPARE[sign](values[quantity], limit)
        codes[holds] = list(vocabulary).index(rule.behaviour)
    _fill_gaps(codes, book.fill_gap)
    for rule in book.rules:
        _drop_short(codes, list(vocabulary).index(rule.behaviour), rule.min_bout)
    return codes


def label_project(
    rules: Path, data_dir: Path, recordings: Sequence[str], *, fps: float, classes: Sequence[str]
) -> None:
    """Write ``labels-heuristic/<id>.csv`` of a daart folder from its markers and a YAML of rules.

    Parameters
    ----------
    rules : Path
        YAML of a :class:`.rules_options.RuleBook`.
    data_dir : Path
    recordings : sequence of str
    fps : float
        For speeds.
    classes : sequence of str
        Class names in the order of the hand labels, without the background.

    Raises
    ------
    ConfigError, InputError
        When the rules or the markers cannot be used; nothing is then written for that recording.
    """
    book = validate(RuleBook, read_yaml(rules), where=str(rules))
    for name in recordings:
        path = daart_csv.find_input(data_dir, daart_csv.MARKERS, name)
        recording = next(read_tracks("daart_csv", path, {}, recording=name))
        codes = apply_rules(Recording(**{**vars(recording), "fps": fps}), book, classes)
        target = data_dir / "labels-heuristic" / f"{name}.csv"
        daart_csv.write_one_hot(target, codes + 1, ("background", *classes))
