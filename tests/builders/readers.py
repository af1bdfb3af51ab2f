"""Small files of trackers and annotators, written byte by byte as those programs write them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

BENTO = (
    "Bento annotation file\nMovie file(s): m1.mp4\n\nStimulus name: \nAnnotation start frame: 1\n"
    "Annotation stop frame: 1800\nAnnotation framerate: 30\n\nList of channels:\nCh1\n\n"
    "List of annotations:\nattack\n\nCh1----------\n>attack\nStart\tStop\tDuration\n{}\n\n"
)


def ethovision(path: Path, encoding: str = "utf-8", *, frames: int = 250) -> Path:
    about = ['"Number of header lines:";"8"', '"Trial name";"Trial 1"', '"Video file";"C:\\videos\\m1.mp4"', "", "", ""]
    rows = ['"Trial time";"Recording time";"X center";"grooming";"rearing"', '"s";"s";"cm";"";""']
    body = [
        f"{k / 25:.3f};{k / 25:.3f};{1.5 * k:.2f};{int(50 <= k < 75)};{'-' if k < 25 else 0}" for k in range(frames)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*about, *rows, *body]) + "\n", encoding=encoding)
    return path


def jabs(path: Path, version: int) -> Path:
    """Two mice whose places in the file swap at frame 20."""
    points = np.zeros((40, 2, 12, 2), np.uint16)
    points[..., 0], points[:, :, :, 1] = 7, np.arange(12)
    points[:, 1, :, 0] = 9
    with h5py.File(path, "w") as handle:
        group = handle.create_group("poseest")
        group.attrs["version"] = [version, 0]
        if version == 2:
            group["points"], group["confidence"] = points[:, 0], np.full((40, 12), 0.8, np.float32)
            return path
        group["points"], group["confidence"] = points, np.full((40, 2, 12), 0.8, np.float32)
        group["confidence"][5, 0, 3] = 0
        group["instance_count"] = np.full(40, 2, np.uint8)
        first = np.where(np.arange(40) < 20, 1, 2)
        group["instance_embed_id"] = np.stack([first, 3 - first], axis=1).astype(np.uint32)
    return path


def nwb(path: Path) -> Path:
    with h5py.File(path, "w") as handle:
        for animal, add in (("mouse_a", 0), ("mouse_b", 100)):
            pose = handle.create_group(f"processing/behavior/{animal}")
            pose.attrs["neurodata_type"] = "PoseEstimation"
            for part in ("nose", "tail"):
                series = pose.create_group(part)
                series.attrs["neurodata_type"] = "PoseEstimationSeries"
                series["data"] = np.arange(60).reshape(30, 2) + add
                series["confidence"] = np.full(30, 0.7)
                series["starting_time"] = 0.0
                series["starting_time"].attrs["rate"] = 25.0
    return path


def facemap(path: Path) -> Path:
    with h5py.File(path, "w") as handle:
        for part in ("eye", "nose"):
            for name in ("x", "y", "likelihood"):
                handle[f"Facemap/{part}/{name}"] = np.linspace(0, 1, 30)
    return path


def trex(folder: Path) -> None:
    for k in (0, 1):
        x = np.arange(30, dtype=float) + 100 * k
        x[5] = np.inf
        np.savez(folder / f"m1_fish{k}.npz", **{"frame": np.arange(30), "X#wcentroid": x, "Y#wcentroid": x, "id": k})
