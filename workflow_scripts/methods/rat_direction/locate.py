"""Find the moving animal in a video, crop it, and tag its points, a batch of frames in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from scipy import ndimage

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.tables import write_csv
from workflow_scripts.core.validation import Strict
from workflow_scripts.detectors.background import Detector
from workflow_scripts.detectors.background import Options as BackgroundOptions
from workflow_scripts.methods.rat_direction.module import DirectionNet, predict_points
from workflow_scripts.methods.rat_direction.movie import draw_dots, write_movie
from workflow_scripts.metrics.keypoints import direction
from workflow_scripts.metrics.registry import DIRECTIONS
from workflow_scripts.sources.shared.crops import from_crop, square_crop
from workflow_scripts.video.frames import decode, samples, to_frame
from workflow_scripts.video.metadata import probe

UInt8 = npt.NDArray[np.uint8]


class LocatorOptions(Strict):
    """How the animal is found."""

    polarity: Literal["both", "dark", "bright"] = Field("both", description="The animal against its background.")
    minimum: float = Field(0.0005, gt=0, lt=1, description="Smallest animal, as a part of the image.")
    side: float | None = Field(
        None, gt=0, description="Side of the crop in pixels; empty = so that the animal is as large as in the training."
    )


LENGTHS = 1.6
"""Side of the crop in lengths of the animal where the model does not say how large it was in its training images."""


def read_frames(path: str | Path) -> Iterator[UInt8]:
    """Yield the upright frames of a video as grey images, uint8 (height, width), both even.

    Raises
    ------
    InputError
        When the file is absent or no video.
    """
    for planes in decode(probe(path)):
        height, width = (side // 2 * 2 for side in planes.y.shape)
        frame = to_frame(planes.y[:height, :width], planes.u, planes.v)
        yield frame.to_ndarray(format="gray", threads=1).astype(np.uint8, copy=False)


def frame_rate(path: str | Path) -> float:
    """Return the frames per second of a video."""
    return probe(path).fps


def learn_background(path: str | Path, options: LocatorOptions) -> Detector:
    """Let the background detector look at a video.

    Raises
    ------
    InputError
        When the video is unreadable or too short.
    """
    info = probe(path)
    if info.n_frames < 3:
        raise InputError(
            path, f"has {info.n_frames} frames, too few to tell the animal from the floor", "use a longer video"
        )
    detector = Detector(BackgroundOptions(polarity=options.polarity, min_area=options.minimum), Path(path).parent)
    detector.fit(info, [planes for _, planes in samples(info, detector.samples)], None)
    return detector


def places_of(path: str | Path, options: LocatorOptions) -> npt.NDArray[np.float64]:
    """Find the animal in every frame of a video.

    Parameters
    ----------
    path : str or Path
    options : LocatorOptions

    Returns
    -------
    ndarray, shape (time, 3)
        x and y of the middle of its trunk and the trunk's length in pixels; NaN where nothing differs from the
        background.
    """
    detector = learn_background(path, options)
    nothing = (np.nan, np.nan, np.nan)
    return np.array([detector.body(planes) or nothing for planes in decode(probe(path))])


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
        (degrees, counter-clockwise from the right), `crop_x`, `crop_y`, `crop_side`, `body_length` (pixels; empty where
        nothing was found).
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
    info = probe(video)
    places = places_of(video, options)
    located = np.isfinite(places[:, 0])
    if not located.any():
        raise InputError(video, "shows nothing that moves", "lower the locator's minimum, or check the video")
    length = float(np.nanmedian(places[:, 2]))
    side = options.side or length * (1 / model.spec.body if model.spec.body else LENGTHS)
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

    fps = info.fps
    if overlay is not None:
        write_movie(overlay, overlaid(), fps)
    else:
        for _ in overlaid():
            pass
    times = info.times[: len(points)]
    found = pd.DataFrame({"frame": np.arange(len(points)), "time_s": times, "located": located})
    for column, name in enumerate(model.spec.points):
        found[f"{name}_x"], found[f"{name}_y"] = points[:, column, 0], points[:, column, 1]
    for which in DIRECTIONS:
        found[f"{which}_angle"] = direction(points, model.spec.points, which)
    found["crop_x"], found["crop_y"], found["crop_side"] = centres[:, 0], centres[:, 1], side
    found["body_length"] = places[:, 2]
    write_csv(table, found, float_format="%.4f")
    return found
