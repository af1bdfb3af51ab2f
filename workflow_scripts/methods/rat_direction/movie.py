"""Movies with the found points as white dots, drawn with array arithmetic and encoded by PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.images import ImageSet
from workflow_scripts.methods.rat_direction import figures
from workflow_scripts.methods.rat_direction.module import DirectionNet, predict_points
from workflow_scripts.metrics.keypoints import direction, known_directions
from workflow_scripts.sources import read_images, require_file
from workflow_scripts.training.curves import save_figure
from workflow_scripts.views.images import ImageSpec

UInt8 = npt.NDArray[np.uint8]


def _disc(radius: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = x * x + y * y <= radius * radius
    return y[inside], x[inside]


def draw_dots(frames: UInt8, points: npt.NDArray[np.floating], radius: float) -> None:
    """Set white dots with a dark rim into grey frames, in place.

    Parameters
    ----------
    frames : ndarray, uint8, shape (n, height, width)
    points : ndarray, shape (n, n_points, 2)
        x and y in pixels of the frames; dots that are NaN or outside are left out.
    radius : float
    """
    n, height, width = frames.shape
    row = np.arange(n)[:, None, None]
    known = np.isfinite(points).all(-1)
    place = np.where(known[..., None], np.rint(np.where(known[..., None], points, 0)), -(10**6)).astype(np.int64)
    for grow, grey in ((1.0, 0), (0.0, 255)):
        dy, dx = _disc(radius + grow)
        y, x = place[..., 1, None] + dy, place[..., 0, None] + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        frames[np.broadcast_to(row, y.shape)[inside], y[inside], x[inside]] = grey


def enlarge(images: UInt8, points: npt.NDArray[np.floating], scale: int) -> UInt8:
    """Enlarge images by a whole factor and draw their points.

    Parameters
    ----------
    images : ndarray, uint8, shape (n, size, size)
    points : ndarray, shape (n, n_points, 2)
        In pixels of `images`.
    scale : int

    Returns
    -------
    ndarray, uint8, shape (n, scale size, scale size)
    """
    big = images.repeat(scale, axis=1).repeat(scale, axis=2)
    draw_dots(big, (points + 0.5) * scale - 0.5, 0.4 * scale)
    return big


def write_movie(path: str | Path, batches: Iterable[UInt8], fps: float) -> int:
    """Encode grey frames as H.264, whole or not at all.

    Parameters
    ----------
    path : str or Path
        An mp4.
    batches : iterable of ndarray, uint8, shape (n, height, width)
    fps : float

    Returns
    -------
    int
        Frames written.
    """
    count = 0
    with atomic_path(path) as part, av.open(str(part), "w") as container:
        stream = None
        for batch in batches:
            # The codec wants even sides.
            even = batch[:, : batch.shape[1] // 2 * 2, : batch.shape[2] // 2 * 2]
            if stream is None:
                rate = Fraction(fps).limit_denominator(1001)
                stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "ultrafast"})
                stream.height, stream.width = even.shape[1:]
                stream.pix_fmt = "yuv420p"
                stream.thread_count = 1
            for picture in even:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
                container.mux(stream.encode(frame))
                count += 1
        if stream is not None:
            container.mux(stream.encode())
    return count


def tagged_movie(
    path: str | Path, images: UInt8, points: npt.NDArray[np.floating], fps: float, scale: int = 6, batch: int = 256
) -> int:
    """Write a stack of images as a movie with its points.

    Parameters
    ----------
    path : str or Path
    images : ndarray, uint8, shape (n, size, size)
    points : ndarray, shape (n, n_points, 2)
    fps : float
    scale : int
        Enlargement.
    batch : int
        Frames drawn at a time.

    Returns
    -------
    int
        Frames written.
    """

    def drawn() -> Iterator[UInt8]:
        for start in range(0, len(images), batch):
            yield enlarge(images[start : start + batch], points[start : start + batch], scale)

    return write_movie(path, drawn(), fps)


def read_stack(path: Path, spec: ImageSpec) -> ImageSet:
    """Read a stack of images without points: npz with the key `images`, or npy, which stays on the disk.

    Raises
    ------
    InputError
        When the file is absent or damaged, or its images are not what the model was made for.
    """
    if path.suffix == ".npz":
        images = read_images("rat_npz", path, {"labels": False}).images
    else:
        require_file(path)
        try:
            images = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise InputError(path, f"is no plain npy file ({error})", "save it with numpy.save") from error
    if images.ndim and not len(images):
        raise InputError(path, "holds no image", "save a stack of at least one")
    if images.dtype != np.uint8 or images.shape[1:] != (spec.height, spec.width):
        raise InputError(
            path,
            f"holds {images.dtype} of shape {images.shape}, expected uint8 (n, {spec.height}, {spec.width})",
            "cut and scale the images as those the model was trained on",
        )
    n = len(images)
    frames, name = np.arange(n, dtype=np.int64), np.full(n, path.stem)
    return ImageSet(images, np.full((n, len(spec.points), 2), np.nan, np.float32), spec.points, frames, name, name)


def tag_movie(model: DirectionNet, movie: ImageSet, folder: Path, *, overlay: bool = True) -> pd.DataFrame:
    """Find the points in a movie of crops.

    Parameters
    ----------
    model : DirectionNet
    movie : ImageSet
        With `fps`; its points, where known, are drawn beside the found directions.
    folder : Path
        Gets `movie.mp4`, `angles.csv`, `angles.png`, and `excerpt.mp4` of the first 100 frames, as the original makes.
    overlay : bool
        Write the two movies.

    Returns
    -------
    DataFrame
        `angles.csv`: `frame`, `time_s`, points and directions, and `<which>_true` where known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = predict_points(model, movie.images)
    fps = movie.fps if np.isfinite(movie.fps) else 30.0
    table = pd.DataFrame({"frame": np.arange(len(movie)), "time_s": np.arange(len(movie)) / fps})
    for column, name in enumerate(movie.names):
        table[f"{name}_x"], table[f"{name}_y"] = found[:, column, 0], found[:, column, 1]
    for which in known_directions(movie.names):
        table[f"{which}_angle"] = direction(found, movie.names, which)
        if np.isfinite(movie.points).any():
            table[f"{which}_true"] = direction(movie.points, movie.names, which)
    write_csv(folder / "angles.csv", table, float_format="%.6g")
    save_figure(figures.angle_traces(table, fps), folder / "angles.png")
    if overlay:
        tagged_movie(folder / "movie.mp4", movie.images, found, fps)
        tagged_movie(folder / "excerpt.mp4", movie.images[:100], found[:100], fps, scale=4)
    return table
