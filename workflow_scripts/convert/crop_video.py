"""One decoding pass over a video: boxes on every k-th frame, a steady square crop of every frame, its motion."""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.progress import metered
from workflow_scripts.detectors import Detector, make
from workflow_scripts.detectors.coverage import OUTSIDE_WARNING, Coverage
from workflow_scripts.formats.clips import MISSING, ClipRecording
from workflow_scripts.sources.videos import Options
from workflow_scripts.video.crop import Cropper, CropWriter, motion_meter
from workflow_scripts.video.frames import Planes, Region, decode, prefetch, samples
from workflow_scripts.video.metadata import VideoInfo, checksum, probe
from workflow_scripts.video.trajectory import BoxPath

DETECTIONS_A_SECOND = 8
CHUNK = 32
"""Frames cropped at a time; changes nothing but the memory."""

MIN_SIDE = 32
COVERAGE_WARNING = 0.98


def preprocess(
    path: Path, options: Options, target: Path, *, recording: str, group: str | None = None, folder: Path | None = None
) -> ClipRecording:
    """Crop a video around its animal.

    Parameters
    ----------
    path : Path
        The video.
    options : Options
    target : Path
        Crop video (mp4) to make, whole or not at all.
    recording : str
        Id.
    group : str or None
        Animal; its own id where None.
    folder : Path or None
        The dataset's folder, below which files named in the detector's options lie.

    Returns
    -------
    ClipRecording
        Without labels.

    Raises
    ------
    InputError
        When the video cannot be used, or the region is outside its picture.
    """
    info = probe(path)
    region = _region(info, options)
    width, height = (region.width, region.height) if region else (info.width, info.height)
    length = _moving_frames(info, options, region)
    every = options.every or max(1, round(info.fps / DETECTIONS_A_SECOND))
    where = folder or path.parent
    detector = make(
        options.detector.name, options.detector.options, where, animals=options.animals, animal=options.animal
    )
    side = _fit(detector, info, options, region, min(width, height))
    boxes = BoxPath(every, info.fps, options.max_gap, options.smooth)
    windows, motion = [np.zeros((0, 4), np.float32)], []
    waiting: deque[Planes] = deque()
    batch: list[tuple[int, Planes]] = []
    crop, measure, coverage = Cropper(options.size), motion_meter(), Coverage()
    done = read = 0
    last: npt.NDArray[np.float64] | None = None

    def detect() -> None:
        if batch:
            found = detector.detect([planes for _, planes in batch], [number for number, _ in batch])
            boxes.found.extend(found)
            everyone = getattr(detector, "everyone", [row[None] for row in found])
            for (_, planes), rows in zip(batch, everyone, strict=True):
                coverage.add(planes, rows[:, :4])
            batch.clear()

    def write(writer: CropWriter, stop: int) -> None:
        nonlocal done, last
        found = boxes.windows(done, stop, side, width, height, last)
        for x, y, _, _ in found.astype(int):
            frame = crop(waiting.popleft(), int(x), int(y), side)
            motion.append(measure(frame))
            writer.write(frame)
        windows.append(found)
        last, done = found[-1, :2].astype(np.float64), stop

    with atomic_path(target) as part, CropWriter(part, info.fps, options.size) as writer:
        for planes in metered(prefetch(decode(info, region)), f"crop {path.name}", length, "frames"):
            if read == length:
                break
            if read % every == 0:
                batch.append((read, planes))
            waiting.append(planes)
            read += 1
            if len(batch) == detector.batch:
                detect()
            # A detection at 0, every, … is known for all frames below this.
            if len(boxes.found) * every >= done + CHUNK + boxes.margin and read >= done + CHUNK:
                write(writer, done + CHUNK)
        detect()
        while done < read:
            write(writer, min(done + CHUNK, read))
    window = np.concatenate(windows)
    found, scores, origin = boxes.boxes(0, read, side)
    shift = np.array([region.x, region.y] * 2 if region else [0] * 4, np.float32)
    return ClipRecording(
        id=recording,
        group=group or recording,
        fps=info.fps,
        path=target,
        size=options.size,
        boxes=found + shift,
        windows=window + shift,
        scores=scores,
        origin=origin,
        times=info.times[:read],
        motion=np.array(motion, np.float32),
        image_size=(info.width, info.height),
        rotation=info.rotation,
        source_sha256={path.name: checksum(path)},
        warnings=[
            *getattr(detector, "warnings", []),
            *_warnings(info, read, length, found, window, origin),
            *_missed(coverage.share(), options),
        ],
        outside=coverage.share(),
        preprocessing=options.model_dump(mode="json", exclude={"label", "balance"}) | {"folder": str(where)},
    )


def _region(info: VideoInfo, options: Options) -> Region | None:
    if options.region is None:
        return None
    region = Region(*options.region)
    if region.x + region.width > info.width or region.y + region.height > info.height:
        raise InputError(
            info.path,
            f"is {info.width} × {info.height} pixels, and the region {options.region} reaches over its border",
            "correct region in the card (x, y, width, height)",
        )
    return region


def _moving_frames(info: VideoInfo, options: Options, region: Region | None) -> int:
    """Count the frames up to where the last picture begins to stand still; all of them unless that is to be cut."""
    if not options.cut_held:
        return info.n_frames
    step = max(1, min(info.width, info.height) // 180)
    stack = [planes.gray(step) for planes in decode(info, region)]
    change = np.array([float(np.abs(gray - stack[-1]).mean()) for gray in stack])
    moving = np.flatnonzero(change > options.held_change)
    return int(moving[-1]) + 2 if len(moving) and moving[-1] + 2 <= len(stack) else len(stack)


def _fit(detector: Detector, info: VideoInfo, options: Options, region: Region | None, largest: int) -> int:
    """Let the detector look at the video, and choose the side of the window by what it finds there."""
    taken = list(samples(info, detector.samples, region))
    detector.fit(info, [planes for _, planes in taken], region)
    if options.side is not None:
        return options.side // 2 * 2
    look = getattr(detector, "survey", detector.detect)
    found = look([planes for _, planes in taken], [number for number, _ in taken])
    sides = np.maximum(found[:, 2] - found[:, 0], found[:, 3] - found[:, 1])
    sides = sides[~np.isnan(sides)]
    if not len(sides):
        return largest // 2 * 2
    # A rearing or stretched animal counts, a blob twice its usual size is a mistake.
    longest = float(sides[sides <= 2 * np.median(sides)].max())
    side = max(MIN_SIDE, 2 * math.ceil(longest / (1 - 2 * options.pad) / 2))
    return min(side, largest // 2 * 2)


def _missed(outside: float, options: Options) -> list[str]:
    if not outside > OUTSIDE_WARNING:
        return []
    return [
        f"{outside:.0%} of the moving pixels lie outside the box: the detector {options.detector.name} cannot handle "
        "this picture, or it shows several animals; set polarity, region or animals, or use another detector"
    ]


def _warnings(
    info: VideoInfo,
    read: int,
    length: int,
    boxes: npt.NDArray[np.float32],
    windows: npt.NDArray[np.float32],
    origin: npt.NDArray[np.uint8],
) -> list[str]:
    said = []
    if info.variable:
        said.append(f"the frame rate varies; labels in seconds follow the time stamps, {info.fps:.3g} a second is")
    if info.rotation:
        said.append(f"turned upright by {info.rotation} degrees, as the file says")
    if read < length:
        said.append(f"the file promises {length} frames and holds {read}")
    if length < info.n_frames:
        said.append(f"the last picture is still: {info.n_frames - length} of {info.n_frames} frames are cut")
    missing = origin == MISSING
    if missing.any():
        said.append(f"no animal was found in {int(missing.sum())} frames ({missing.mean():.1%})")
    if not missing.all():
        seen, around = boxes[~missing], windows[~missing]
        inside = (seen[:, :2] >= around[:, :2] - 1).all(axis=1) & (seen[:, 2:] <= around[:, 2:] + 1).all(axis=1)
        if inside.mean() < COVERAGE_WARNING:
            said.append(f"the window holds the whole box in {inside.mean():.1%} of the frames with one")
    return said
