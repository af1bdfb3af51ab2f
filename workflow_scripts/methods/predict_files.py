"""Let a trained run predict files that no experiment knows: `ethomake predict RUN FILES…`."""

from __future__ import annotations

import glob
import inspect
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.methods.protocol import PredictsFiles
from workflow_scripts.methods.runs import load_embedder
from workflow_scripts.sources.bout_files import write_rows
from workflow_scripts.sources.supervisely import is_project, mirror
from workflow_scripts.training.devices import inference_device, set_up, sparing

log = logging.getLogger("ethomake.predict")


def embedder_of(run: Path) -> Path:
    """Return the folder of a run's exported model: `<run>/embedder`, or `run` itself where it is that folder.

    Raises
    ------
    InputError
        When there is none.
    """
    for folder in (run / "embedder", run):
        if (folder / "config.yaml").is_file() and (folder / "model.safetensors").is_file():
            return folder
    raise InputError(
        run, "holds no exported model", "name a folder of a finished run, results/<experiment>/runs/…/seed<k>"
    )


VIDEOS = {".mp4", ".m4v", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".wmv"}
ENDINGS = {"clips": VIDEOS, "images": VIDEOS | {".npz", ".npy"}}
"""Ends of names of the files taken from a folder, by the kind of data a method reads; other kinds take every file."""

SUMMARY = ("file", "output", "status", "reason")


@dataclass(frozen=True)
class Job:
    """A file to predict, and the folder below the output that gets what is found."""

    file: Path
    name: str


def gather(inputs: Sequence[Path], kind: str) -> list[Job]:
    """Find the files of a command line: files stay, folders are searched, subfolders included.

    Each file's output is named for it, and for the folders between it and the folder that was named; of equal names,
    for the folders above it too, down to where they differ.

    Parameters
    ----------
    inputs : sequence of Path
        Files and folders.
    kind : str
        Kind of data that the method reads.

    Raises
    ------
    InputError
        When a folder holds no file of that kind.
    """
    files: dict[Path, tuple[Path, Path]] = {}
    for path in inputs:
        if not path.is_dir():
            files.setdefault(path.resolve(), (path, Path(path.name)))
            continue
        endings = ENDINGS.get(kind)
        found = [
            item
            for item in sorted(path.rglob("*"))
            if item.is_file() and not item.name.startswith(".") and (not endings or item.suffix.lower() in endings)
        ]
        if not found:
            expected = f" ({', '.join(sorted(endings))})" if endings else ""
            raise InputError(path, f"holds no file this run can predict{expected}", "check the path")
        for item in found:
            files.setdefault(item.resolve(), (item, item.relative_to(path)))
    # By the names that were given: a link is called as the user calls it.
    names = _names([(given.absolute(), len(below.parts)) for given, below in files.values()])
    return [Job(given, name) for (given, _), name in zip(files.values(), names, strict=True)]


def _names(files: Sequence[tuple[Path, int]]) -> list[str]:
    """Name each file by its last parts, as many as are given and more where names are equal."""

    def named(file: Path, depth: int) -> str:
        return "/".join([*file.parts[-depth:-1], file.stem])

    names = [named(file, depth) for file, depth in files]
    more = 0
    while len(set(names)) < len(names) and more < max(len(file.parts) for file, _ in files):
        more += 1
        counts = Counter(names)
        names = [
            named(file, depth + more) if counts[name] > 1 else name
            for (file, depth), name in zip(files, names, strict=True)
        ]
    counts = Counter(names)  # what is still equal differs by the end of the name alone
    return [f"{name}{file.suffix}" if counts[name] > 1 else name for (file, _), name in zip(files, names, strict=True)]


def predict_files(
    run: Path,
    files: Sequence[Path],
    output: Path,
    *,
    overlay: bool = True,
    confidence: float = 0.0,
    video: dict[str, Any] | None = None,
) -> list[Path]:
    """Predict each file with the run's method, whose `predict_file` knows what files it takes and what it writes.

    Parameters
    ----------
    run : Path
        Folder of a run, or of its exported model.
    files : sequence of Path
        Files, and folders of files.
    output : Path
        Gets a folder for each file, named for it, and `summary.csv`: file, output, status (``ok`` or ``failed``) and
        reason. A file that cannot be used is reported there and passed over. Of a Supervisely project among the
        folders, `supervisely/<project>/` is a copy of its datasets with what was predicted.
    overlay : bool
        Write films or pictures with the predictions drawn in, where the method makes any.
    confidence : float
        Bouts of a lower confidence are left out.
    video : dict or None
        Options of the videos, in place of those that the run was trained with: `detector`, `region`, `animals`.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ConfigError
        When the method predicts no files, or does not take an option.
    InputError
        When the run, or not one of the files, can be used.
    """
    set_up()
    folder = embedder_of(run)
    model, config = load_embedder(folder)
    functions = methods.load(config["method"])
    if not isinstance(functions, PredictsFiles):
        able = [name for name in methods.names() if isinstance(methods.load(name), PredictsFiles)]
        raise ConfigError(
            f"{config['method']} predicts no single files, {', '.join(able)} can; make a dataset of them instead "
            "(ethomake new-dataset)."
        )
    given = {"overlay": overlay, "confidence": confidence, "video": video, "beside": folder}
    given = _taken(config["method"], functions.predict_file, given)
    kind = methods.config_model(config["method"]).kind
    model = model.to(inference_device())
    written: list[Path] = []
    rows: list[list[str]] = []
    for job in gather(files, kind):
        target = output / job.name
        try:
            made = sparing(partial(functions.predict_file, model, job.file, target, **given))
        except (EthoMakeError, OSError) as error:
            log.error("%s is passed over: %s", job.file, error)
            rows.append([str(job.file), job.name, "failed", " ".join(str(error).split())])
            continue
        written += made
        rows.append([str(job.file), job.name, "ok", ""])
        log.info("%s → %s", job.file, target)
    for project in [path for path in files if is_project(path)]:
        written += mirror(project, _annotations(rows, output), output / "supervisely" / project.resolve().name)
    write_rows(output / "summary.csv", SUMMARY, rows)
    if not written:
        reason = rows[0][3] if len(rows) == 1 else f"{rows[0][3]} (the first of {len(rows)}; see summary.csv)"
        raise InputError(output, f"not one of the files could be predicted: {reason}", "see the reasons above")
    return [*written, output / "summary.csv"]


def _annotations(rows: Sequence[Sequence[str]], output: Path) -> dict[Path, list[Path]]:
    """Return the annotations that were written of each video, several where several animals were followed."""
    found = {}
    for file, name, status, _ in rows:
        if status == "ok":
            found[Path(file).resolve()] = sorted(
                (output / name).rglob(f"supervisely/*/ann/{glob.escape(Path(file).name)}.json")
            )
    return found


def _taken(method: str, function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments a method's function takes; one it does not take must not have been asked for."""
    known = inspect.signature(function).parameters
    asked = {"confidence": "--confidence", "video": "--detector, --region and --animals"}
    for name, option in asked.items():
        if given[name] and name not in known:
            raise ConfigError(f"{method} does not take {option} with files.")
    return {name: value for name, value in given.items() if name in known}
