"""Where the rat direction extractor finds a mouse in a real video, and what that costs its directions.

Run in the repository's folder:

    python benchmarks/bench_locator.py --data <folder of mouse-openfield> [--epochs 150]

A model is trained on the 24 hand-labelled frames of the set (another video than the one that is judged), then finds the
directions in the whole video: in crops around the places that the locator finds, and in crops around the true ones.
Truth is the set's tracking table, of frames in which all four points are likelier than 0.9.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.formats.images import open_images, write_images
from workflow_scripts.formats.splits import Split
from workflow_scripts.methods.rat_direction import locate
from workflow_scripts.methods.rat_direction.locate import LocatorOptions, places_of, tag_video
from workflow_scripts.methods.runs import export_embedder, load_embedder, train
from workflow_scripts.sources import read_images, read_tracks
from workflow_scripts.views.images import ImageView

PARTS = {"head": ["snout"], "neck": ["leftear", "rightear"], "base": ["tailbase"]}


def turn(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the angle between directions in degrees."""
    return np.abs((a - b + 180) % 360 - 180)


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=150)
    options = parser.parse_args()
    video = options.data / "videos" / "m3v1mp4.mp4"
    (table,) = options.data.glob("*.h5")
    (tracks,) = read_tracks("deeplabcut", table, {}, recording="m")
    place = {name: k for k, name in enumerate(tracks.keypoints)}
    points = tracks.position[:, 0]
    head, base = points[:, place["snout"]], points[:, place["tailbase"]]
    neck = (points[:, place["leftear"]] + points[:, place["rightear"]]) / 2
    known = (tracks.confidence[:, 0] > 0.9).all(axis=1)
    lengths, centres = np.hypot(*(head - base).T), (head + base) / 2
    body = float(np.median(lengths[known]))
    started = time.process_time()
    found = places_of(video, LocatorOptions())
    seconds = time.process_time() - started
    n = min(len(found), len(known))
    used = known[:n] & np.isfinite(found[:n, 0])
    error = np.hypot(*(found[:n, :2] - centres[:n]).T)[used] / body
    p50, p95 = np.quantile(error, [0.5, 0.95])
    trunk = found[:, 2] / body
    print(f"frames {n}, with truth {int(known[:n].sum())}, found {int(used.sum())}; {1000 * seconds / n:.1f} ms each")
    print(f"body {body:.0f} px; centre off by {p50:.3f} lengths (median), {p95:.3f} (p95)")
    print(f"trunk {np.nanmedian(trunk):.2f} lengths (median), {np.nanmax(trunk):.2f} (longest)")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (labelled,) = (options.data / "labeled-data").glob("*/CollectedData_*.csv")
        images = read_images("dlc_frames", labelled, {**PARTS, "jitter": 0.15})
        write_images(folder / "images.h5", [images])
        with open_images(folder / "images.h5") as reader:
            names = list(reader.ids)
            groups = {name: reader.group(name) for name in names}
        view = ImageView(folder / "images.h5", Split("openfield", "all", "all", sorted(names), [], [], groups))
        training: dict[str, Any] = {"max_epochs": options.epochs, "accelerator": "cpu"}
        hparams = {"mode": "sound", "options": {"training": training}}
        train("rat_direction", hparams, view, folder=folder / "run", seed=0)
        export_embedder(folder / "run")
        model, _ = load_embedder(folder / "run" / "embedder")
        true = np.concatenate([centres, lengths[:, None]], axis=1)
        true[~known] = np.nan
        for name, places in (("places of the locator", found), ("true places", true[: len(found)])):
            locate.places_of = lambda path, settings, places=places: places
            said = tag_video(model, video, folder / "t.csv")
            judged = known[:n] & np.isfinite(places[:n, 0])
            print(f"{name}: crop {said['crop_side'].iloc[0] / body:.2f} lengths", end="")
            for which, start, end in (("head", neck, head), ("body", base, neck)):
                truth = np.degrees(np.arctan2(-(end - start)[:n, 1], (end - start)[:n, 0]))
                off = turn(said[f"{which}_angle"].to_numpy()[:n], truth)[judged]
                print(f"; {which} {np.median(off):.1f}° (median), {np.quantile(off, 0.9):.1f}° (p90)", end="")
            print()


if __name__ == "__main__":
    main()
