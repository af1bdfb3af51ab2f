"""A zip of crops of a black and a white mouse from above, each with seven hand points.

Folders `MARS_top_<frame>/` hold `black.jpg`, `white.jpg` and `adjusted_keypoints.json`. The crops are the box of the
hand points widened by 24 or 25 px and set on black, so the borders of the box tell where the outermost points are. By
default each side of the box is moved in by a seeded random part of that margin, as a detector's box would vary.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.core.documents import parse_json
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.images import ImageSet, frame_groups
from workflow_scripts.sources.rat_npz import POINTS
from workflow_scripts.sources.shared.crops import square_crop, to_crop
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.members import check_names, read_grey, read_member

KEYPOINTS = "adjusted_keypoints.json"
ROWS = {"base": 6, "neck": 3, "head": 0}
"""Which of the seven points serve: tail base, neck, nose."""

DARK = 16
"""Grey below which a pixel may be the black around a crop, blurred by the jpeg."""


class Options(Strict):
    """Options of the source `mars_crops`."""

    size: int = Field(50, ge=16, description="Side of the images in pixels.")
    jitter: float = Field(
        20.0, ge=0, le=24, description="Each side of the box is moved in by up to so many pixels; 0 keeps the leak."
    )
    seed: int = Field(0, ge=0, description="Of the jitter.")


def _box(image: npt.NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom (inclusive) of what is not black."""
    lit = image > DARK
    rows, columns = np.flatnonzero(lit.mean(1) > 0.05), np.flatnonzero(lit.mean(0) > 0.05)
    if not len(rows) or not len(columns):
        raise ValueError("is all black")
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def _crop(
    image: npt.NDArray[np.uint8], points: npt.NDArray[np.float64], options: Options, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    left, top, right, bottom = _box(image)
    cut = rng.uniform(0, options.jitter, 4) if options.jitter else np.zeros(4)
    left, top = left + round(cut[0]), top + round(cut[1])
    right, bottom = right - round(cut[2]), bottom - round(cut[3])
    inside = image[top : bottom + 1, left : right + 1]
    centre = ((right - left) / 2, (bottom - top) / 2)
    side = float(max(inside.shape)) * (rng.uniform(1.0, 1.1) if options.jitter else 1.0)
    crop = square_crop(inside, centre, side, options.size)
    return crop, to_crop(points - np.array([left, top]), centre, side, options.size)


def read(path: Path, options: Options) -> ImageSet:
    """Read the zip.

    Parameters
    ----------
    path : Path
    options : Options

    Returns
    -------
    ImageSet
        Points base, neck, head; animals `black` and `white`; `source_frame` is the number in the folder's name.

    Raises
    ------
    InputError
        When the file is no such zip, or a member of it is damaged.
    """
    images, points, frames, animals, warnings = [], [], [], [], []
    folder = ""
    try:
        with zipfile.ZipFile(path) as archive:
            members = set(check_names(path, archive))
            folders = sorted({name.split("/")[0] for name in members if "/" in name})
            for folder in folders:
                if f"{folder}/{KEYPOINTS}" not in members:
                    warnings.append(f"{folder} has no {KEYPOINTS}: left out")
                    continue
                frame = int(folder.rsplit("_", 1)[-1])
                marked = parse_json(read_member(path, archive, f"{folder}/{KEYPOINTS}"))
                for number, animal in enumerate(sorted(marked)):
                    if f"{folder}/{animal}.jpg" not in members:
                        warnings.append(f"{folder} has no {animal}.jpg: left out")
                        continue
                    picture = f"{folder}/{animal}.jpg"
                    grey = read_grey(path, read_member(path, archive, picture), picture)
                    hand = np.array([marked[animal]["x"], marked[animal]["y"]], float).T
                    rng = np.random.default_rng([options.seed, frame, number])
                    image, moved = _crop(grey, hand[[ROWS[name] for name in POINTS]], options, rng)
                    images.append(image)
                    points.append(moved)
                    frames.append(frame)
                    animals.append(animal)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(path, f"is no readable zip of crops ({error})", "download it again") from error
    except (KeyError, IndexError, ValueError) as error:
        where = f"folder {folder}" if folder else "its list of members"
        raise InputError(path, f"{where}: unexpected content ({error})", "download it again") from error
    if not images:
        raise InputError(path, f"holds no folder with {KEYPOINTS} and crops", "check the path and the source")
    return ImageSet(
        images=np.stack(images),
        points=np.stack(points).astype(np.float32),
        names=POINTS,
        source_frame=np.array(frames, np.int64),
        animal=np.array(animals),
        group=frame_groups(np.array(frames, np.int64)),
        warnings=warnings,
    )


def sniff(path: Path) -> Found | None:
    """Tell the zip by its members adjusted_keypoints.json."""
    if path.suffix.lower() != ".zip" or file_head(path).raw[:2] != b"PK":
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            frames = [name for name in archive.namelist() if name.endswith(f"/{KEYPOINTS}")]
    except zipfile.BadZipFile:
        return None
    if not frames:
        return None
    found = Found(source="mars_crops", kind="images", keypoints=list(POINTS), image_size=(50.0, 50.0))
    found.guessed.append(
        f"{path.name} holds {len(frames)} frames of two mice with seven points; nose, neck and base serve."
    )
    return found
