"""Square grey crops of one size around an animal, with its points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image


def square_crop(
    image: npt.NDArray[np.uint8], centre: tuple[float, float], side: float, size: int, fill: int = 0
) -> npt.NDArray[np.uint8]:
    """Cut a square and scale it, averaging over the pixels that fall on one.

    Parameters
    ----------
    image : ndarray, uint8, shape (height, width)
    centre : tuple of float
        x and y of the square's centre in pixels, pixel centres at whole numbers.
    side : float
        Side of the square in pixels of `image`.
    size : int
        Side of the result in pixels.
    fill : int
        Grey value outside `image`.

    Returns
    -------
    ndarray, uint8, shape (size, size)
    """
    left, top = centre[0] + 0.5 - side / 2, centre[1] + 0.5 - side / 2
    pad = int(np.ceil(max(0.0, -left, -top, left + side - image.shape[1], top + side - image.shape[0])))
    if pad:
        image = np.pad(image, pad, constant_values=fill)
    box = (left + pad, top + pad, left + pad + side, top + pad + side)
    scaled = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=box)
    return np.asarray(scaled, dtype=np.uint8)


def to_crop(
    points: npt.NDArray[np.floating], centre: tuple[float, float], side: float, size: int
) -> npt.NDArray[np.float64]:
    """Map points of the image into the crop.

    Parameters
    ----------
    points : ndarray, shape (..., 2)
    centre, side, size
        As in :func:`square_crop`.
    """
    moved: npt.NDArray[np.float64] = (points - np.asarray(centre) + side / 2) * (size / side) - 0.5
    return moved


def from_crop(
    points: npt.NDArray[np.floating], centre: npt.NDArray[np.floating], side: npt.NDArray[np.floating], size: int
) -> npt.NDArray[np.float64]:
    """Undo :func:`to_crop`, for many crops at once.

    Parameters
    ----------
    points : ndarray, shape (n, n_points, 2)
    centre : ndarray, shape (n, 2)
    side : ndarray, shape (n,)
    size : int
    """
    scale = (side / size)[:, None, None]
    return (points + 0.5) * scale + centre[:, None] - side[:, None, None] / 2
