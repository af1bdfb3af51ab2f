"""Geometry shared by the methods: windows that know of missing values, velocities, frames of reference, normalisation.

All functions take NaN for "missing" and give NaN where nothing can be said. Rotations turn the first two coordinates
alone, so that three-dimensional tracks keep their vertical axis.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.typing import Float64Array

FloatArray: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.float64]

Coordinates: TypeAlias = Literal["image", "centred", "egocentric"]
"""How positions are laid before a model; see :func:`lay`."""


def odd_window(seconds: float, fps: float) -> int:
    """Return the odd number of frames nearest to a duration, so that a window has a middle frame."""
    return 2 * int(seconds * fps / 2) + 1


def nan_mean(values: FloatArray, axis: int | tuple[int, ...]) -> Float64Array:
    """Mean of what is seen; NaN, without a warning, where nothing is."""
    seen = ~np.isnan(values)
    count = seen.sum(axis=axis)
    total = np.where(seen, values, 0).sum(axis=axis, dtype=np.float64)
    mean: Float64Array = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def rolling_moments(values: FloatArray, window: int, *, deviation: bool = True) -> tuple[Float64Array, Float64Array]:
    """Centred rolling mean and standard deviation over what is seen, in time linear in the length.

    Parameters
    ----------
    values : ndarray, shape (time, n)
        NaN = missing.
    window : int
        Odd number of frames; it is cut off at both ends of the recording.
    deviation : bool
        False saves the second pass; the deviation is then an empty array.

    Returns
    -------
    mean, deviation : ndarray, float64, shape (time, n)
        Population deviation (no n−1). NaN where the window saw nothing.
    """
    time = len(values)
    seen = ~np.isnan(values)
    # Sums of squares about the column's mean lose far fewer digits than about zero.
    centre = np.nan_to_num(nan_mean(values, axis=0)) if time else np.zeros(values.shape[1])
    filled = np.where(seen, values - centre, 0.0)
    half = window // 2
    low = np.clip(np.arange(time) - half, 0, time)
    high = np.clip(np.arange(time) + half + 1, 0, time)

    def window_sum(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        total = np.zeros((time + 1, array.shape[1]), dtype=np.int64 if array.dtype == bool else np.float64)
        np.cumsum(array, axis=0, out=total[1:])
        difference: npt.NDArray[np.generic] = total[high] - total[low]
        return difference

    count = window_sum(seen)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = window_sum(filled) / count  # type: ignore[operator]
        if not deviation:
            return mean + centre, np.empty((0, 0))
        variance = window_sum(filled**2) / count - mean**2  # type: ignore[operator]
    return mean + centre, np.sqrt(np.maximum(variance, 0))


def flat(array: npt.NDArray[np.generic]) -> npt.NDArray[Any]:
    """Lay everything behind the first axis out as columns; a -1 in `reshape` would not take an empty recording."""
    return array.reshape(len(array), math.prod(array.shape[1:]))


def smooth(position: FloatArray, window: int) -> Float64Array:
    """Rolling mean over time of an array (time, …); bridges gaps shorter than half the window."""
    if window <= 1:
        return np.asarray(position, np.float64)
    return rolling_moments(flat(position), window, deviation=False)[0].reshape(position.shape)


def rate(values: FloatArray, fps: float, half_span: int = 1) -> Float64Array:
    """Change per second by central differences over `2 * half_span` frames, one-sided at the ends.

    Parameters
    ----------
    values : ndarray, shape (time, …)
    fps : float
    half_span : int
        Frames to each side; wider spans damp the jitter of the tracker.
    """
    time = len(values)
    if time < 2:
        return np.full(values.shape, np.nan)
    low = np.maximum(np.arange(time) - half_span, 0)
    high = np.minimum(np.arange(time) + half_span, time - 1)
    span = ((high - low) / fps).reshape(-1, *[1] * (values.ndim - 1))
    change: Float64Array = (values[high].astype(np.float64) - values[low]) / span
    return change


def norm(vectors: FloatArray) -> Float64Array:
    """Length of the vectors on the last axis."""
    length: Float64Array = np.sqrt(np.einsum("...s,...s->...", vectors, vectors, dtype=np.float64))
    return length


def unit(vectors: FloatArray) -> Float64Array:
    """Vectors scaled to length 1; NaN where the length is 0."""
    length = norm(vectors)[..., None]
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled: Float64Array = np.where(length > 0, vectors / length, np.nan)
    return scaled


def dot(a: FloatArray, b: FloatArray) -> Float64Array:
    """Scalar product over the last axis."""
    product: Float64Array = np.einsum("...s,...s->...", a, b, dtype=np.float64)
    return product


def angle(a: FloatArray, b: FloatArray) -> Float64Array:
    """Unsigned angle between vectors, in radians from 0 to π, accurate near both ends.

    Uses 2·atan2(‖â − b̂‖, ‖â + b̂‖), which arccos of the cosine is not near 0 and π (Kahan 2006).
    """
    first, second = unit(a), unit(b)
    between: Float64Array = 2 * np.arctan2(norm(first - second), norm(first + second))
    return between


def fill_last_seen(values: FloatArray, fallback: FloatArray) -> Float64Array:
    """Fill missing values with the last seen one, and before the first with `fallback`.

    Parameters
    ----------
    values : ndarray, shape (time, n)
    fallback : ndarray, shape (n,)
    """
    if not len(values):
        return np.asarray(values, np.float64)
    seen = ~np.isnan(values)
    last = np.maximum.accumulate(np.where(seen, np.arange(len(values))[:, None], -1), axis=0)
    taken = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    filled: Float64Array = np.where(last >= 0, taken, fallback)
    return filled


def rotate_planar(vectors: FloatArray, heading: FloatArray) -> Float64Array:
    """Turn vectors so that `heading` points along the first axis.

    Parameters
    ----------
    vectors : ndarray, shape (…, space)
    heading : ndarray, shape (…, space)
        Broadcast against `vectors`; only its first two coordinates count.
    """
    ahead = unit(heading[..., :2])
    turned = np.array(np.broadcast_to(vectors, np.broadcast_shapes(vectors.shape, heading.shape)), np.float64)
    x, y = vectors[..., 0], vectors[..., 1]
    turned[..., 0] = x * ahead[..., 0] + y * ahead[..., 1]
    turned[..., 1] = y * ahead[..., 0] - x * ahead[..., 1]
    return turned


def lay_names(
    individuals: tuple[str, ...], keypoints: tuple[str, ...], space: int, coordinates: Coordinates
) -> list[str]:
    """Name the columns of :func:`lay`."""
    axes = "xyz"[:space]
    if coordinates == "egocentric":
        axes = ["ahead", "left", "up"][:space]  # type: ignore[assignment]
    names = [f"{who}.{point}.{axis}" for who in individuals for point in keypoints for axis in axes]
    if coordinates == "egocentric":
        names += [f"{a}>{b}.{axis}" for a in individuals for b in individuals if a != b for axis in axes]
    return names


def lay(position: FloatArray, coordinates: Coordinates, heading: FloatArray | None = None) -> Float64Array:
    """Lay positions out as columns in a frame of reference.

    Parameters
    ----------
    position : ndarray, shape (time, individual, keypoint, space)
    coordinates : {"image", "centred", "egocentric"}
        ``image``: as they are. ``centred``: about the mean of all points seen in the frame. ``egocentric``: each
        animal's points about its own mean with its heading ahead, then every other animal's mean in that frame.
    heading : ndarray, shape (time, individual, space)
        From rear to front; needed for ``egocentric``.

    Returns
    -------
    ndarray, float64, shape (time, columns)
        Columns as :func:`lay_names` names them; NaN = missing.
    """
    individuals = position.shape[1]
    if coordinates == "image":
        return np.asarray(flat(position), np.float64)
    if coordinates == "centred":
        return np.asarray(flat(position - nan_mean(position, (1, 2))[:, None, None]), np.float64)
    if heading is None:
        raise ValueError("egocentric coordinates need headings")
    centre = nan_mean(position, 2)
    own = rotate_planar(position - centre[:, :, None], heading[:, :, None])
    parts = [flat(own)]
    for i in range(individuals):
        others = np.delete(np.arange(individuals), i)
        if len(others):
            parts.append(flat(rotate_planar(centre[:, others] - centre[:, [i]], heading[:, [i]])))
    return np.concatenate(parts, axis=1)


def extent(position: FloatArray, image_size: tuple[float, float] | None) -> tuple[Float64Array, float]:
    """Origin and scale that bring positions to the order of 1.

    Parameters
    ----------
    position : ndarray, shape (time, individual, keypoint, space)
    image_size : tuple of float or None

    Returns
    -------
    origin : ndarray, shape (space,)
        The middle of the image, or of the central 98 % of the points.
    scale : float
        Half the longer side; one number for all axes, so that angles survive. NaN where no point was ever seen.
    """
    space = position.shape[3]
    if image_size is not None and space == 2:
        size = np.asarray(image_size, np.float64)
        return size / 2, float(size.max() / 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN is answered by NaN
        if not position.size:
            return np.full(space, np.nan), float("nan")
        low, high = np.nanpercentile(position.reshape(-1, space), [1, 99], axis=0)
    return (low + high) / 2, float(np.max(high - low) / 2)
