"""CalMS21's official JSON: `{group: {sequence: {keypoints, scores, annotations, metadata}}}`, read as a stream.

Facts of the format (Caltech record s0vdx-0k302): `keypoints` (time, mouse, xy, part) in pixels of a 1024 × 570 image
at 30 frames a second, `scores` (time, mouse, part), `annotations` (time) where people labelled, `metadata.vocab` name →
index. Mouse 0 is the resident, mouse 1 the intruder.

Groups: the number in `task1/train/mouse001_task1_annotator1` counts videos, and the animals behind them are not named.
A group is therefore the id up to that number, folder included (`task1/train/mouse001`): versions of one video by
several annotators stay together, and equal numbers in train and test, should they occur, do not clash.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from workflow_scripts.core import limits
from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.documents import parse_json
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.patterns import Pattern, match_start
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.sources.shared.bouts import fit_length
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.points import describe
from workflow_scripts.sources.shared.text import refuse_non_text

FPS = 30.0
IMAGE_SIZE = (1024.0, 570.0)
MICE = ("resident", "intruder")
PARTS = ("nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail")
"""The order of the file, which names none; tail is its base."""
GROUP = r".*?\d+"
"""The id up to its first number after the folder."""

EXPECTED = "CalMS21's JSON of groups, sequences and records"


class Options(Strict):
    """Options of the source `calms21`."""

    task: str = Field("behaviour", description="Name given to the task in `annotations`.")
    group_pattern: Pattern | None = Field(
        None,
        description="Regular expression at the start of a sequence id; its first bracket, or all of it, is the group.",
    )


class _Scanner:
    """Walks the outer levels of a JSON file without parsing the records inside."""

    token = re.compile(rb'["{}]')
    space = re.compile(rb"[ \t\r\n]*")
    string = re.compile(rb'"(?:[^"\\]|\\.)*"')

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path, self.data, self.at, self.freed = path, data, 0, 0

    def fail(self, found: str, remedy: str = "download or export it again") -> InputError:
        return InputError(self.path, f"byte {self.at}: {found}, expected {EXPECTED}", remedy)

    def peek(self) -> bytes:
        match = self.space.match(self.data, self.at)
        self.at = match.end() if match else self.at
        return self.data[self.at : self.at + 1]

    def take(self, *signs: bytes) -> bytes:
        sign = self.peek()
        if sign not in signs:
            found = f"found {sign.decode(errors='replace')!r}" if sign else "the file ends in the middle"
            raise self.fail(found)
        self.at += 1
        return sign

    def key(self) -> str:
        self.peek()
        match = self.string.match(self.data, self.at)
        if match is None:
            raise self.fail("the file ends in the middle" if self.at >= len(self.data) else "found no name in quotes")
        self.at = match.end()
        self.take(b":")
        return str(json.loads(match[0]))

    def items(self) -> Iterator[str]:
        """Yield the keys of the object that starts here; the caller moves past each value."""
        self.take(b"{")
        if self.peek() == b"}":
            self.take(b"}")
            return
        while True:
            yield self.key()
            if self.take(b",", b"}") == b"}":
                return

    def record(self, name: str) -> Any:
        """Parse the object that starts here, whole, and let go of its bytes."""
        if self.peek() != b"{":
            raise self.fail(f"the sequence {name!r} is no object")
        start, depth = self.at, 0
        at = start
        while True:
            match = self.token.search(self.data, at)
            if match is None:
                raise self.fail(f"the file ends in the middle of the sequence {name!r}")
            at = match.end()
            if match[0] == b'"':
                string = self.string.match(self.data, match.start())
                if string is None:
                    raise self.fail(f"the file ends in the middle of the sequence {name!r}")
                at = string.end()
            else:
                depth += 1 if match[0] == b"{" else -1
            if depth == 0:
                break
        try:
            limits.require_memory(self.path, f"the sequence {name!r}", 8 * (at - start))
            value = parse_json(self.data[start:at])
        except ValueError as error:
            raise self.fail(f"the sequence {name!r} is no JSON ({error})") from error
        self.at = at
        if hasattr(self.data, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            upto = at - at % mmap.PAGESIZE
            if upto > self.freed:  # pages already parsed would else count as our memory
                self.data.madvise(mmap.MADV_DONTNEED, self.freed, upto - self.freed)
                self.freed = upto
        return value


def iterate_records(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Yield (group, sequence id, record) of a CalMS21 file; one record is in memory at a time.

    Raises
    ------
    InputError
        When the file is no such JSON or ends early; names the byte and the sequence.
    """
    with open(path, "rb") as handle:
        refuse_non_text(path, handle.read(4096), EXPECTED)
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            scanner = _Scanner(path, data)
            for group in scanner.items():
                for name in scanner.items():
                    yield group, name, scanner.record(name)
            if scanner.peek():
                raise scanner.fail("found more after the end")


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read every sequence of a file; see :func:`workflow_scripts.sources.read_tracks`."""
    seen: set[str] = set()
    for _, name, record in iterate_records(path):
        if name in seen:
            raise InputError(path, f"the sequence {name!r} is there twice", "keep one of them")
        seen.add(name)
        made = _recording(path, name, record, options)
        del record  # lists of floats, many times the arrays, would stay while the next record is parsed
        yield made
    if not seen:
        raise InputError(path, f"holds no sequence, expected {EXPECTED}", "download it again")


def _array(path: Path, name: str, record: dict[str, Any], key: str, dtype: type) -> Any:
    try:
        return np.asarray(record[key], dtype=dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            path, f"sequence {name!r}: {key} is no regular array of numbers ({error})", "download it again"
        ) from error


def group_of(path: Path, name: str, pattern: str | None) -> str:
    """Return the group of a sequence id; see the module's text."""
    folder, _, last = name.rpartition("/")
    if pattern is None:
        match = re.match(GROUP, last)
        return f"{folder}/{match[0]}" if match and folder else match[0] if match else name
    match = match_start(pattern, name)
    if match is None:
        raise InputError(
            path, f"sequence {name!r}: the group_pattern {pattern!r} does not match", "correct the pattern"
        )
    return (match[1] if match.re.groups else match[0]) or name


def _recording(path: Path, name: str, record: dict[str, Any], options: Options) -> Recording:
    if "keypoints" not in record:
        raise InputError(path, f"sequence {name!r}: has no keypoints", f"expected {EXPECTED}")
    keypoints = _array(path, name, record, "keypoints", np.float32)
    if keypoints.ndim != 4 or keypoints.shape[2] != 2:
        raise InputError(
            path,
            f"sequence {name!r}: keypoints has the shape {keypoints.shape}, expected (time, mouse, 2, part)",
            "keep CalMS21's axis order",
        )
    position = np.ascontiguousarray(np.moveaxis(keypoints, 2, 3))
    time, mice, parts, _ = position.shape
    if "scores" in record:
        confidence = _array(path, name, record, "scores", np.float32)
        if confidence.shape != (time, mice, parts):
            raise InputError(
                path,
                f"sequence {name!r}: scores has the shape {confidence.shape}, not {(time, mice, parts)}",
                "download it again",
            )
    else:
        confidence = np.where(any_nan(position), np.float32(np.nan), np.float32(1))
    labels: dict[str, Labels] = {}
    warnings: list[str] = []
    if "annotations" in record:
        labels[options.task] = _labels(path, name, record, options.task, time, warnings)
    return Recording(
        id=name,
        position=position,
        confidence=confidence,
        fps=FPS,
        individuals=MICE if mice == len(MICE) else tuple(f"individual{k + 1}" for k in range(mice)),
        keypoints=PARTS if parts == len(PARTS) else tuple(f"point{k + 1}" for k in range(parts)),
        group=group_of(path, name, options.group_pattern),
        image_size=IMAGE_SIZE,
        labels=labels,
        warnings=warnings,
    )


def _labels(path: Path, name: str, record: dict[str, Any], task: str, n_frames: int, warnings: list[str]) -> Labels:
    found = _array(path, name, record, "annotations", np.int64).reshape(-1)
    vocabulary = (record.get("metadata") or {}).get("vocab")
    if not isinstance(vocabulary, dict) or sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise InputError(
            path, f"sequence {name!r}: metadata.vocab does not number its classes 0, 1, 2 …", "download it again"
        )
    if len(found) and (found.min() < 0 or found.max() >= len(vocabulary)):
        worst = int(found[(found < 0) | (found >= len(vocabulary))][0])
        raise InputError(
            path, f"sequence {name!r}: the annotation {worst} is not in metadata.vocab", "download it again"
        )
    fit_length(path, f"{name} ({task})", len(found), n_frames, warnings)
    values, mask = np.zeros(n_frames, dtype=np.int16), np.zeros(n_frames, dtype=bool)
    values[: len(found)], mask[: len(found)] = found[:n_frames], True
    names = tuple(sorted(vocabulary, key=lambda key: int(vocabulary[key])))
    return Labels(values, mask, level="frame", kind="multiclass", vocabulary=names)


def _record(path: Path, recording: Recording, task: str) -> dict[str, Any]:
    record: dict[str, Any] = {
        "keypoints": np.moveaxis(recording.position, 3, 2).tolist(),
        "scores": recording.confidence.tolist(),
    }
    metadata: dict[str, Any] = {}
    if task in recording.labels:
        labels = recording.labels[task]
        if not labels.mask.all():
            raise InputError(
                path, f"{recording.id}: CalMS21's JSON has no sign for unlabelled frames", "label all or none"
            )
        record["annotations"] = labels.values.astype(int).tolist()
        metadata = {"annotator-id": 0, "vocab": {name: index for index, name in enumerate(labels.vocabulary)}}
    return {**record, "metadata": metadata}


def write_json(path: Path, recordings: Iterable[Recording], *, group: str, task: str = "behaviour") -> None:
    """Write recordings in CalMS21's layout, one in memory at a time.

    Parameters
    ----------
    path : Path
        The JSON file to make, whole or not at all.
    recordings : iterable of Recording
        May be a generator; ids become the sequence names. Missing points are written as Python's ``NaN``.
    group : str
        The outer key: ``annotator-id_0`` for task 1, ``unlabeled_videos`` for the unlabeled part.
    task : str
        Labels written as `annotations`, in recordings that have them.

    Raises
    ------
    InputError
        When a recording is labelled in part, which the layout cannot say.
    """
    with atomic_path(path) as part, open(part, "w", encoding="utf-8") as handle:
        handle.write(f"{{{json.dumps(group)}: {{")
        separator = ""
        for recording in recordings:
            handle.write(f"{separator}{json.dumps(recording.id)}: {json.dumps(_record(path, recording, task))}")
            separator = ", "
        handle.write("}}\n")


def sniff(path: Path) -> Found | None:
    """Tell CalMS21's JSON by its keypoints."""
    text = file_head(path).text.lstrip()
    if path.suffix.lower() != ".json" or not text.startswith("{") or '"keypoints"' not in text or '"tags"' in text:
        return None
    first = next(read(path, Options(), recording=path.stem))
    found = Found(source="calms21", kind="tracks")
    describe(found, first)
    found.recordings = [first.id]
    found.tasks = {task: {"vocabulary": list(made.vocabulary)} for task, made in first.labels.items()}
    return found
