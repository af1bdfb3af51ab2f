"""Training clips of a dataset as video files, laid out as the original project laid them out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from workflow_scripts.behaviour.exports import source_of
from workflow_scripts.core.names import slugify
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.clips import ClipRecording, open_clips
from workflow_scripts.formats.splits import read_split
from workflow_scripts.formats.tracks import by_class
from workflow_scripts.sources.bout_files import bouts_of, write_rows
from workflow_scripts.sources.supervisely import place_video, write_annotation, write_meta
from workflow_scripts.video.cut import cut_clip, scaled_size
from workflow_scripts.video.metadata import probe


def export_clips(
    index: Path, videos: Path, folder: Path, *, mode: str = "faithful", split: Path | None = None
) -> Iterator[Path]:
    """Cut a dataset's clips out of its videos, one folder a class with boxes, laid out as the original project did.

    Parameters
    ----------
    index : Path
        `data/<dataset>/clips/index.h5`.
    videos : Path
        Folder of the videos it was made from, `resources/<dataset>`.
    folder : Path
        Gets `<class>/video/<video>_clip_<number>.mp4` (in a class, `/` becomes `-` and a space `_`) with boxes and
        class in `<class>/ann/`, `meta.json`, and `clips.csv` with the columns orig_file, clip_file, start, end (frames,
        the end included), label and side.
    mode : {"faithful", "sound"}
        Whose clips: `faithful` are the original project's.
    split : Path or None
        A split of the dataset (`data/<dataset>/splits/<name>.json`): clips of its training and validation videos go to
        `train/` and `validation/`, and the test videos whole, with their bouts and boxes, to `test/`. Without it clips
        of all videos are cut.

    Yields
    ------
    Path
        Each file as it is written.

    Raises
    ------
    InputError
        When a video is not there, has changed since, or cannot be cut.
    """
    rows: list[list[str | int]] = []
    labels: dict[str, None] = {}
    sides = _sides(split)
    with open_clips(index) as reader:
        stems = _stems(reader.ids)
        for recording in reader:
            side = "" if sides is None else sides.get(recording.id)
            if side is None:  # no part of the split
                continue
            path = source_of(recording, videos)
            clips = reader.clips(mode, [recording.id])
            labels |= dict.fromkeys(clip.label for clip in clips)
            if side == "test":
                labels |= dict.fromkeys(bout.name for bout in _bouts_of(recording))
                name = Path(side) / "video" / f"{stems[recording.id]}{path.suffix.lower()}"
                place_video(path, folder / name)
                yield folder / name
                yield _annotate(folder / name, recording, 0, recording.n_frames, _bouts_of(recording), whole=True)
                rows.append([path.name, name.as_posix(), 0, recording.n_frames - 1, "", side])
                continue
            info = probe(path)
            for number, clip in enumerate(clips):
                label = clip.label.replace("/", "-").replace(" ", "_")
                label = label if label.strip(".") else slugify(label)  # `..` is no folder of ours
                name = Path(side) / label / "video" / f"{stems[recording.id]}_clip_{number:03d}.mp4"
                cut_clip(info, clip.start, clip.stop, folder / name)
                yield folder / name
                whole = [Bout(0, clip.stop - clip.start, clip.label)]
                yield _annotate(folder / name, recording, clip.start, clip.stop, whole)
                rows.append([path.name, name.as_posix(), clip.start, clip.stop - 1, clip.label, side])
    write_rows(folder / "clips.csv", ["orig_file", "clip_file", "start", "end", "label", "side"], rows)
    yield folder / "clips.csv"
    write_meta(folder, list(labels))
    yield folder / "meta.json"


def _sides(split: Path | None) -> dict[str, str] | None:
    if split is None:
        return None
    found = read_split(split)
    return {name: side for side in ("train", "validation", "test") for name in getattr(found, side)}


def _stems(ids: Sequence[str]) -> dict[str, str]:
    """Name files after recordings; two that would share a name, if only on disks that ignore case, get a number."""
    taken: set[str] = set()
    found = {}
    for name in sorted(ids):
        stem, number = slugify(name), 2
        while stem.lower() in taken:
            stem, number = f"{slugify(name)}-{number}", number + 1
        taken.add(stem.lower())
        found[name] = stem
    return found


def _bouts_of(recording: ClipRecording) -> list[Bout]:
    """Return the labelled bouts of a video, the background left out."""
    found = []
    for labels in recording.labels.values():
        if not by_class(labels.kind, labels.level):
            continue
        names = labels.vocabulary
        codes = np.where(labels.mask, labels.values, -1).astype(np.int64)
        quiet = [code for code, name in enumerate(names) if name == labels.background]
        found += bouts_of(codes, names, leave_out=quiet)
    return sorted(found, key=lambda bout: bout.start)


def _annotate(
    video: Path, recording: ClipRecording, start: int, stop: int, bouts: list[Bout], *, whole: bool = False
) -> Path:
    """Write the annotation beside a cut or copied video, its boxes in the pixels of that file."""
    width, height = recording.image_size
    size = (width, height) if whole else scaled_size(width, height)
    boxes = recording.boxes[start:stop] * np.array([size[0] / width, size[1] / height] * 2, np.float32)
    path = video.parent.parent / "ann" / f"{video.name}.json"
    write_annotation(path, bouts, size=size, n_frames=stop - start, boxes=boxes)
    return path
