"""An original model folder as options, data specification and weights of :class:`.model.Lisbet`."""

from __future__ import annotations

from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.methods import Facts, Imported
from workflow_scripts.methods.lisbet.original.read import OriginalModel, config_of, read_original, weights_file
from workflow_scripts.sources import calms21
from workflow_scripts.views.tracks import DataSpec

CLASSES = ("attack", "investigation", "mount", "other")
"""Of CalMS21 task 1, which the published classifiers were trained on."""
FPS = 30.0
"""Of CalMS21."""


def imported(path: Path, facts: Facts) -> Imported:
    """Read an original model folder.

    The names and the order of its columns come from `input_features` (0.3.1 and later) or from `facts`; a model of 28
    columns that names none is taken for one of CalMS21, as all published ones are.

    Raises
    ------
    InputError
        When the folder is damaged, or its columns, frame rate or classes are neither given nor those of CalMS21.
    """
    folder = path if path.is_dir() else path.parent
    found = read_original(folder)
    notes: list[str] = []
    individuals, keypoints, space = _columns(folder, found, facts, notes)
    plain = (individuals, keypoints) == (tuple(calms21.MICE), tuple(calms21.PARTS))
    fps = facts.fps
    if fps is None:
        if not plain:
            raise InputError(folder, "states no frame rate", "tell fps, frames per second of the recordings it is for")
        fps = FPS
        notes.append(f"recordings have {FPS:g} frames per second, as CalMS21")
    vocabularies = _vocabularies(folder, found, facts, plain, notes)
    spec = DataSpec(individuals, keypoints, space, fps, facts.unit, facts.image_size, vocabularies)
    if found.window_size is None and facts.window_size is None:
        raise InputError(folder, "states no window_size, and its position table does not tell", "tell window_size")
    config = config_of(found, window_size=facts.window_size, labels=list(vocabularies))
    if found.layout == "seed":
        notes.append(f"a window has {config.window_size} frames, {config.window_offset} of them after the target frame")
    version = {"seed": "0.3.0" if found.backbone.norm == "pre" else "0.2.3", "0.3.1": "0.3.1 or 0.3.2"}
    files = [folder / "model_config.yml", weights_file(folder)]
    return Imported(config, spec, found.state, files, f"LISBET {version.get(found.layout, '0.4 or later')}", notes)


def _columns(
    folder: Path, found: OriginalModel, facts: Facts, notes: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    stated = found.input_features
    individuals = tuple(map(str, stated.get("individuals") or ())) or facts.individuals
    keypoints = tuple(map(str, stated.get("keypoints") or ())) or facts.keypoints
    space = len(stated.get("space") or "xy")
    calms = len(calms21.MICE) * len(calms21.PARTS) * 2
    if individuals is None and keypoints is None and found.features == calms:
        individuals, keypoints = tuple(calms21.MICE), tuple(calms21.PARTS)
        notes.append(f"its {calms} columns are those of CalMS21: {', '.join(individuals)}; {', '.join(keypoints)}")
    if individuals is None or keypoints is None:
        raise InputError(
            folder, f"has {found.features} columns and names none", "tell individuals and keypoints in their order"
        )
    for name, mine in (("individuals", facts.individuals), ("keypoints", facts.keypoints)):
        theirs = stated.get(name)
        if mine is not None and theirs and list(mine) != list(theirs):
            raise InputError(
                folder,
                f"was trained on the {name} {', '.join(map(str, theirs))}, and {', '.join(mine)} was given",
                "name and order the data's as the model has them",
            )
    if len(individuals) * len(keypoints) * space != found.features:
        raise InputError(
            folder,
            f"has {found.features} columns, and {len(individuals)} individuals × {len(keypoints)} keypoints × {space} "
            f"axes make {len(individuals) * len(keypoints) * space}",
            "tell the individuals and keypoints it was trained on",
        )
    return individuals, keypoints, space


def _vocabularies(
    folder: Path, found: OriginalModel, facts: Facts, plain: bool, notes: list[str]
) -> dict[str, tuple[str, ...]]:
    """Name the classes of its supervised heads, by task."""
    heads = {name: size for name, size in found.outputs.items() if name.split("_")[0] in {"multiclass", "multilabel"}}
    made: dict[str, tuple[str, ...]] = {}
    for head, size in heads.items():
        names = facts.classes if len(heads) == 1 else None
        if names is None and head == "multiclass" and plain and size == len(CLASSES):
            names = CLASSES
            notes.append(f"its classes are those of CalMS21 task 1: {', '.join(CLASSES)}")
        if names is None:
            names = tuple(f"class{k}" for k in range(size))
            notes.append(f"the {size} classes of its head {head} have no names and are numbered")
        if len(names) != size or len(set(names)) != size:
            raise InputError(
                folder, f"has {size} classes, and the names given are {', '.join(names)}", "name each once"
            )
        if head == "multilabel":
            made |= {name: ("other", name) for name in names}
        else:
            made[head.partition("_")[2] or facts.task] = names
    return made
