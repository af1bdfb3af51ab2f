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
from workflow_scripts.convert.propose.files import list_files
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.methods.predict_tracks import TrackOptions, predict_tracks
from workflow_scripts.methods.protocol import PredictsFiles
from workflow_scripts.methods.runs import load_embedder
from workflow_scripts.methods.saved import read_run
from workflow_scripts.methods.trained import Trained
from workflow_scripts.sources.bout_files import write_rows
from workflow_scripts.sources.supervisely import is_project, mirror
from workflow_scripts.training.devices import inference_device, set_up, sparing
from workflow_scripts.video.metadata import VIDEOS

log = logging.getLogger("ethomake.predict")


Work = Callable[[Path, Path], list[Path]]
"""Takes a file and the folder that gets what is predicted; returns the files written."""


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


ENDINGS = {"clips": VIDEOS, "images": VIDEOS | {".npz", ".npy"}}
"""Ends of names of the files taken from a folder, by the kind of data a method reads; other kinds take every file."""

SUMMARY = ("file", "output", "status", "reason")


@dataclass(frozen=True)
class Job:
    """A file to predict, and the folder below the output that gets what is found."""

    file: Path
    name: str


def gather(inputs: Sequence[Path], kind: str, source: str = "") -> list[Job]:
    """Find the files of a command line: files stay, folders are searched, subfolders included.

    Each file's output is named for it, and for the folders between it and the folder that was named; of equal names,
    for the folders above it too, down to where they differ.

    Parameters
    ----------
    inputs : sequence of Path
        Files and folders.
    kind : str
        Kind of data that the method reads.
    source : str
        Of tracks, how they are read: of a folder, the files that the source knows as its own are taken.

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
        if kind == "tracks":
            found = _track_files(path, source)
        else:
            found = [
                item
                for item in sorted(path.rglob("*"))
                if item.is_file() and not item.name.startswith(".") and (not endings or item.suffix.lower() in endings)
            ]
        if not found:
            known = f" ({', '.join(sorted(endings or {source} - {''}))})" if endings or source else ""
            raise InputError(path, f"holds no file this run can predict{known}", "check the path")
        for item in found:
            files.setdefault(item.resolve(), (item, item.relative_to(path)))
    # By the names that were given: a link is called as the user calls it.
    names = _names([(given.absolute(), len(below.parts)) for given, below in files.values()])
    return [Job(given, name) for (given, _), name in zip(files.values(), names, strict=True)]


def _track_files(folder: Path, source: str) -> list[Path]:
    """Files of a folder that a source reads; those of the same ending that none knows are reported."""
    listed = list_files([folder])
    own = sorted(one.path for one in listed.recognised if (one.found.kind, one.found.source) == ("tracks", source))
    endings = {path.suffix.lower() for path in own}
    unread = {name for names in listed.left_out.values() for name in names}
    damaged = [listed.root / name for name in sorted(unread) if Path(name).suffix.lower() in endings]
    return [*own, *damaged]


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
    tracks: dict[str, Any] | None = None,
    reading: dict[str, Any] | None = None,
    decide: bool = True,
) -> list[Path]:
    """Predict each file with a run: tracks with any method, other files where its method has a `predict_file`.

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
    tracks : dict or None
        Options of tracks (:class:`workflow_scripts.methods.predict_tracks.TrackOptions`).
    reading : dict or None
        How files of tracks are read, in place of what the run keeps.
    decide : bool
        Decide by the run's `decision.yaml`, where it has one.

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
    method = read_run(folder / "config.yaml")["method"]
    kind = methods.config_model(method).kind
    given = {"overlay": overlay, "confidence": confidence, "video": video, "beside": folder}
    source = ""
    if kind == "tracks":
        work, source = _of_tracks(run, folder, given, tracks or {}, reading, decide=decide)
    else:
        work = _of_files(folder, given, tracks or {})
    written: list[Path] = []
    rows: list[list[str]] = []
    for job in gather(files, kind, source):
        target = output / job.name
        try:
            made = work(job.file, target)
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


def _of_files(folder: Path, given: dict[str, Any], tracks: dict[str, Any]) -> Work:
    """Prediction of a file by the method's own `predict_file`."""
    model, config = load_embedder(folder)
    functions = methods.load(config["method"])
    if not isinstance(functions, PredictsFiles):
        raise ConfigError(
            f"{config['method']} predicts no single files; make a dataset of them (ethomake new-dataset)."
        )
    asked = [f"--{name.replace('_', '-')}" for name, value in tracks.items() if value]
    if asked:
        raise ConfigError(f"{config['method']} does not take {', '.join(asked)}, which are for files of tracks.")
    taken = _taken(config["method"], functions.predict_file, given)
    model = model.to(inference_device())

    def work(file: Path, target: Path) -> list[Path]:
        return sparing(partial(functions.predict_file, model, file, target, **taken))

    return work


def _of_tracks(
    run: Path,
    folder: Path,
    given: dict[str, Any],
    tracks: dict[str, Any],
    reading: dict[str, Any] | None,
    *,
    decide: bool,
) -> tuple[Work, str]:
    """Prediction of a file of tracks by any method, and the source that reads it."""
    if given["video"]:
        raise ConfigError("--detector, --region and --animals are for videos, and this run reads tracks.")
    base = folder.parent if folder.name == "embedder" else run
    decision = base / "decision.yaml"
    trained = Trained(folder, base / "probe", decision if decide and decision.is_file() else None)
    chosen = reading or trained.config.get("reading") or {}
    options = TrackOptions(reading=chosen, confidence=given["confidence"], **tracks)

    def work(file: Path, target: Path) -> list[Path]:
        return predict_tracks(trained, file, target, options)

    return work, str(options.changes.get("source") or chosen.get("source", ""))


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
