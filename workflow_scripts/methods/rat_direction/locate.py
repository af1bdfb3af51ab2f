"""Find the moving animal in a video, crop it, and tag its points, a batch of frames in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from scipy import ndimage

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.validation import Strict
from workflow_scripts.methods.rat_direction.module import DirectionNet, predict_points
from workflow_scripts.methods.rat_direction.movie import draw_dots, write_movie
from workflow_scripts.metrics.keypoints import DIRECTIONS, direction
from workflow_scripts.sources.shared.crops import from_crop, square_crop
from workflow_scripts.video.metadata import open_container

UInt8 = npt.NDArray[np.uint8]


class LocatorOptions(Strict):
    """How the animal is found."""

    background_frames: int = Field(60, ge=3, description="Frames whose median is the background.")
    threshold: float = Field(5.0, gt=0, description="Difference from the background, in deviations of its noise.")
    minimum: float = Field(0.0005, gt=0, lt=1, description="Smallest animal, as a part of the image.")
    side: float | None = Field(None, gt=0, description="Side of the crop in pixels; empty = 1.25 long animals.")
    working_size: int = Field(320, ge=64, description="Longer side of the image in which the animal is looked for.")


@dataclass(frozen=True)
class Background:
    """What a video shows without its animal.

    Attributes
    ----------
    median : ndarray, float32, shape (height, width)
        At the working size.
    noise : float
        Standard deviation of a still pixel.
    step : int
        Pixels of the video to one of the working size.
    """

    median: npt.NDArray[np.float32]
    noise: float
    step: int


def read_frames(path: str | Path) -> Iterator[UInt8]:
    """Yield the frames of a video as grey images, uint8 (height, width).

    Raises
    ------
    InputError
        When the file is absent or no video.
    """
    if not Path(path).is_file():
        raise InputError(path, "the file does not exist", "check the path")
    try:
        with open_container(path) as container:
            if not container.streams.video:
                raise InputError(path, "has no video stream", "check that it is the right file")
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="gray").astype(np.uint8, copy=False)
    except av.error.FFmpegError as error:
        raise InputError(path, f"cannot be decoded ({error.strerror})", "convert it to mp4 again") from error


def frame_rate(path: str | Path) -> float:
    """Return the frames per second a video states; 30 where it states none."""
    with open_container(path) as container:
        rate = container.streams.video[0].average_rate
        return float(rate) if rate else 30.0


def _small(frame: UInt8, step: int) -> npt.NDArray[np.float32]:
    height, width = (side // step * step for side in frame.shape)
    blocks = frame[:height, :width].reshape(height // step, step, width // step, step)
    mean: npt.NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return mean


def learn_background(path: str | Path, options: LocatorOptions) -> Background:
    """Take the median over frames spread over the whole video (one pass, the sample in memory at the working size).

    Raises
    ------
    InputError
        When the video is unreadable or too short.
    """
    kept: list[npt.NDArray[np.float32]] = []
    every, step = 1, 1
    for number, frame in enumerate(read_frames(path)):
        if number == 0:
            step = max(1, round(max(frame.shape) / options.working_size))
        if number % every == 0:
            kept.append(_small(frame, step))
            if len(kept) == 2 * options.background_frames:
                # Thinning out as the video goes on needs no frame count beforehand, which files often state wrong.
                kept, every = kept[::2], every * 2
    if len(kept) < 3:
        raise InputError(
            path, f"has {len(kept)} frames, too few to tell the animal from the floor", "use a longer video"
        )
    sample = np.stack(kept)
    median = np.median(sample, axis=0)
    noise = 1.4826 * float(np.median(np.abs(sample - median)))
    return Background(median.astype(np.float32), max(noise, 1.0), step)


def locate(frame: UInt8, background: Background, options: LocatorOptions) -> tuple[float, float, float] | None:
    """Find the largest thing that is not background.

    Parameters
    ----------
    frame : ndarray, uint8, shape (height, width)
    background : Background
    options : LocatorOptions

    Returns
    -------
    tuple of float or None
        x and y of the middle of its box and the box's diagonal, in pixels of the video; None where nothing moved.
    """
    difference = ndimage.gaussian_filter(np.abs(_small(frame, background.step) - background.median), 1.0)
    found, count = ndimage.label(difference > options.threshold * background.noise)
    if not count:
        return None
    sizes = np.bincount(found.ravel())[1:]
    if sizes.max() < options.minimum * found.size:
        return None
    rows, columns = ndimage.find_objects(found)[int(sizes.argmax())]
    middle = [(part.start + part.stop) / 2 * background.step - 0.5 for part in (columns, rows)]
    diagonal = np.hypot(rows.stop - rows.start, columns.stop - columns.start) * background.step
    return middle[0], middle[1], float(diagonal)


def _places(path: str | Path, background: Background, options: LocatorOptions) -> npt.NDArray[np.float64]:
    """Middle and diagonal by frame, (n, 3); NaN where nothing moved."""
    nothing = (np.nan, np.nan, np.nan)
    return np.array([locate(frame, background, options) or nothing for frame in read_frames(path)])


def tag_video(
    model: DirectionNet,
    video: str | Path,
    table: str | Path,
    overlay: str | Path | None = None,
    options: LocatorOptions | None = None,
    batch: int = 128,
) -> pd.DataFrame:
    """Find the animal's points and directions in every frame of a video.

    Three passes: background, places, points. The crop has one size throughout, so that the animal's size in the crop
    is what the model knows; it stays where it was while the animal does not move.

    Parameters
    ----------
    model : DirectionNet
    video : str or Path
    table : str or Path
        A csv: `frame`, `time_s`, `located`, `<point>_x`, `<point>_y` (pixels of the video), `head_angle`, `body_angle`
        (degrees, counter-clockwise from the right), `crop_x`, `crop_y`, `crop_side`.
    overlay : str or Path, optional
        An mp4 with the points as white dots.
    options : LocatorOptions, optional
    batch : int
        Frames in memory at a time.

    Returns
    -------
    DataFrame
        The table.

    Raises
    ------
    InputError
        When the video is unreadable, or nothing moves in it.
    """
    options = options or LocatorOptions()
    places = _places(video, learn_background(video, options), options)
    located = np.isfinite(places[:, 0])
    if not located.any():
        raise InputError(video, "shows nothing that moves", "lower the locator's threshold or minimum")
    side = options.side or 1.25 * float(np.nanpercentile(places[:, 2], 75))
    # Where it was last seen; before it was first seen, where it was seen first.
    centres = pd.DataFrame(places[:, :2]).ffill().bfill().to_numpy()
    centres = ndimage.median_filter(centres, size=(5, 1), mode="nearest")
    size = model.spec.width
    points = np.empty((len(places), len(model.spec.points), 2))

    def overlaid() -> Iterator[UInt8]:
        held: list[UInt8] = []
        done = 0

        def tag() -> UInt8:
            rows = slice(done, done + len(held))
            crops = np.stack(
                [square_crop(f, (c[0], c[1]), side, size) for f, c in zip(held, centres[rows], strict=True)]
            )
            found = predict_points(model, crops)
            points[rows] = from_crop(found, centres[rows], np.full(len(held), side), size)
            frames = np.stack(held)
            draw_dots(frames, points[rows], max(2.0, side / 60))
            return frames

        for frame in read_frames(video):
            held.append(frame)
            if len(held) == batch:
                yield tag()
                done, held = done + len(held), []
        if held:
            yield tag()

    fps = frame_rate(video)
    if overlay is not None:
        write_movie(overlay, overlaid(), fps)
    else:
        for _ in overlaid():
            pass
    found = pd.DataFrame({"frame": np.arange(len(points)), "time_s": np.arange(len(points)) / fps, "located": located})
    for column, name in enumerate(model.spec.points):
        found[f"{name}_x"], found[f"{name}_y"] = points[:, column, 0], points[:, column, 1]
    for which in DIRECTIONS:
        found[f"{which}_angle"] = direction(points, model.spec.points, which)
    found["crop_x"], found["crop_y"], found["crop_side"] = centres[:, 0], centres[:, 1], side
    with atomic_path(table) as part:
        found.to_csv(part, index=False, float_format="%.4f")
    return found
