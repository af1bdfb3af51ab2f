"""BehaviorDEPOT's label files: human bouts (MATLAB v7.3, an HDF5) and the tool's own vectors (MATLAB v5)."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict, nearest
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.hdf5 import open_hdf5, read_values
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.shared.bouts import fit_length, task_of
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.matlab import read_structs

EXPECTED = "a BehaviorDEPOT file with a struct hBehavior or Behavior of behaviours, each with Bouts and Vector"
HDF5_START = b"MATLAB 7.3"


class Options(Strict):
    """Options of the source `behaviordepot`."""

    behavior: str = Field("Freezing", description="Behaviour of the file.")
    task: str = Field("freezing", description="Binary task of the card it labels.")
    negate: bool = Field(False, description="Label the frames outside the behaviour (not Moving stands for freezing).")
    read_as: Literal["vector", "bouts"] = Field("vector", description="Take the 0/1 vector, or paint the bouts.")


def _field(path: Path, struct: Any, name: str) -> Any:
    known = list(struct.keys())
    if name not in known:
        near = nearest(name, known).removesuffix("?")
        raise InputError(path, f"has no behaviour or field {name!r}{near}", f"expected {EXPECTED}")
    return struct[name]


def _pick(path: Path, tree: Any, behavior: str) -> tuple[Any, Any]:
    """Return vector and bouts of a behaviour, from either of the two structs."""
    for name in ("hBehavior", "Behavior"):
        if name in tree:
            found = _field(path, tree[name], behavior)
            vector, bouts = (_field(path, found, part) for part in ("Vector", "Bouts"))
            if isinstance(vector, h5py.Dataset | h5py.Group) or isinstance(bouts, h5py.Dataset | h5py.Group):
                return read_values(path, vector), read_values(path, bouts)
            if vector is None or bouts is None:
                raise InputError(path, f"{behavior}: Vector or Bouts are no numbers", f"expected {EXPECTED}")
            return np.asarray(vector), np.asarray(bouts)
    shown = ", ".join(key for key in tree if not key.startswith(("_", "#"))) or "nothing"
    raise InputError(path, f"holds {shown}", f"expected {EXPECTED}")


def _read(path: Path, behavior: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the vector (time,) and the bouts (n, 2), 1-based and inclusive."""
    with open(path, "rb") as stream:
        head = stream.read(10)
    try:
        if head == HDF5_START:
            with open_hdf5(path, EXPECTED) as handle:
                vector, bouts = _pick(path, handle, behavior)
                bouts = bouts.T  # HDF5 keeps MATLAB's columns as rows
        else:
            vector, bouts = _pick(path, read_structs(path), behavior)
    except (OSError, ValueError, TypeError, IndexError, zlib.error) as error:
        raise InputError(path, f"is no readable MATLAB file ({error})", f"expected {EXPECTED}") from error
    return vector.ravel().astype(np.float64), bouts.reshape(-1, 2).astype(np.int64)


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read one behaviour as a binary task; see :func:`workflow_scripts.sources.read_labels`.

    Raises
    ------
    InputError
        Also when the vector holds anything but 0 and 1, or a bout is outside it.
    """
    task = task_of(options.task, tasks, "binary")
    vector, bouts = _read(path, options.behavior)
    if not np.isin(vector, (0, 1)).all():
        raise InputError(path, f"{options.behavior}: the vector holds more than 0 and 1", "export it again")
    if len(bouts) and (bouts.min() < 1 or bouts.max() > len(vector) or (bouts[:, 1] < bouts[:, 0]).any()):
        raise InputError(path, f"{options.behavior}: a bout is outside the {len(vector)} frames", "export it again")
    painted = np.zeros_like(vector)
    for first, last in bouts:
        painted[first - 1 : last] = 1
    differ = int((painted != vector).sum())
    if differ:
        warn.append(f"{path.name}: vector and bouts of {options.behavior} differ in {differ} frames")
    fit_length(path, options.task, len(vector), n_frames, warn)
    chosen = vector if options.read_as == "vector" else painted
    values = np.zeros(n_frames, dtype=np.uint8)
    n = min(n_frames, len(chosen))
    values[:n] = (1 - chosen if options.negate else chosen)[:n]
    vocabulary = tuple(task.vocabulary) or (f"no {options.task}", options.task)
    labels = Labels(values, np.arange(n_frames) < n, "frame", "binary", vocabulary)
    return {options.task: labels}


def _behaviours(path: Path) -> dict[str, bool]:
    """Return the behaviours of a file, and whether a person scored them (hBehavior)."""
    try:
        if file_head(path).raw[:10] == HDF5_START:
            with open_hdf5(path) as handle:
                return {
                    str(name): struct == "hBehavior"
                    for struct in ("hBehavior", "Behavior")
                    if struct in handle and isinstance(handle[struct], h5py.Group)
                    for name, node in handle[struct].items()
                    if isinstance(node, h5py.Group) and {"Vector", "Bouts"} <= set(node)
                }
        tree = read_structs(path)
    except (InputError, OSError, ValueError, TypeError, zlib.error):
        return {}
    return {
        str(name): struct == "hBehavior"
        for struct in ("hBehavior", "Behavior")
        if isinstance(tree.get(struct), dict)
        for name, node in tree[struct].items()
        if isinstance(node, dict) and {"Vector", "Bouts"} <= set(node)
    }


def sniff(path: Path) -> Found | None:
    """Tell a MATLAB file with the struct hBehavior or Behavior; each behaviour is a yes-or-no task."""
    if path.suffix.lower() != ".mat":
        return None
    behaviours = _behaviours(path)
    if not behaviours:
        return None
    found = Found(source="behaviordepot", kind="labels", fixed=[])
    for name, by_hand in behaviours.items():
        vector, bouts = _read(path, name)
        task = re.sub(r"\W+", "_", name).lower() if by_hand else f"rule_{re.sub(r'[^a-z0-9]+', '_', name.lower())}"
        found.tasks[task] = {"kind": "binary", "vocabulary": [f"no {name}", name]}
        assert isinstance(found.fixed, list)
        found.fixed.append({"behavior": name, "task": task})
        if not by_hand:
            found.guessed.append(f"{path.name}: {name} is the tool's own rule, so it is the task {task}.")
        found.add_bouts(
            path.stem, [Bout(int(a) - 1, int(b), name) for a, b in bouts], float("nan"), n_frames=len(vector)
        )
    found.media = found.media[:1]
    return found
