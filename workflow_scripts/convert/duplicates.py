"""Images that stand under two source frames, turned and flipped ones included."""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from itertools import combinations

import numpy as np
import numpy.typing as npt

from workflow_scripts.formats.images import ImagesReader, recording_id


def image_key(image: npt.NDArray[np.uint8]) -> bytes:
    """Hash an image so that its turns and flips have the same hash.

    Parameters
    ----------
    image : ndarray, uint8, shape (height, width)
    """
    turned = [np.rot90(image, quarter) for quarter in range(4)]
    return min(sha256(view.tobytes()).digest() for view in [*turned, *(view[::-1] for view in turned)])


def shared_images(reader: ImagesReader) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Find source frames that share images.

    Parameters
    ----------
    reader : ImagesReader

    Returns
    -------
    dict of (str, str) to (int, int, int)
        For each pair of recordings, sorted: number of shared images, and of images of either. An image of one grey
        value says nothing and is passed over.
    """
    owners: dict[bytes, set[int]] = defaultdict(set)
    keys: dict[int, set[bytes]] = defaultdict(set)
    for part in reader.iterate():
        for image, frame in zip(part.images, part.source_frame.tolist(), strict=True):
            if image.min() < image.max():
                key = image_key(image)
                owners[key].add(frame)
                keys[frame].add(key)
    pairs = {pair for frames in owners.values() for pair in combinations(sorted(frames), 2)}
    return {
        (recording_id(a), recording_id(b)): (len(keys[a] & keys[b]), len(keys[a]), len(keys[b]))
        for a, b in sorted(pairs)
    }
