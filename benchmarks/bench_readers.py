"""Time and peak memory of reading a large valid file by each reader: `python benchmarks/bench_readers.py [NAME …]`.

Two animals of two points over `--frames` frames, or bouts over as many, half a second each: far more than people label.
Each file is read in a process of its own. Peak memory is what the process takes above what it had before reading,
libraries of the reader included.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import itertools
import json
import os
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from PIL import Image
from scipy.io import savemat

from workflow_scripts.cards.card import Task, load_card
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.images import ImageSet
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.simulate import make_file
from workflow_scripts.sources import (
    IMAGE_SOURCES,
    VIDEO_SOURCES,
    calms21,
    caltech_annotator,
    daart_csv,
    deeplabcut,
    lisbet_archive,
    movement,
    rat_npz,
    read_images,
    read_labels,
    read_tracks,
)
from workflow_scripts.sources.elan import write_elan
from workflow_scripts.sources.shared import npy_write
from workflow_scripts.sources.supervisely import write_annotation
from workflow_scripts.video.frames import decode
from workflow_scripts.video.metadata import probe
from workflow_scripts.video.writing import write_film

CARDS = Path(__file__).parents[1] / "config" / "datasets"
TASKS = {
    "behaviour": Task(kind="multiclass", vocabulary=["attack", "other"], background="other"),
    "freezing": Task(kind="binary", vocabulary=["no", "freezing"]),
}
BENTO = "Bento annotation file\nAnnotation start frame: 1\nAnnotation framerate: 30\n\nCh1----------\n"
MULTI = {"multiclass": "behaviour"}


def recording(frames: int, animals: int = 2) -> Recording:
    """Return random tracks."""
    rng = np.random.default_rng(0)
    position = (rng.random((frames, animals, 2, 2)) * 500).astype(np.float32)
    values = rng.integers(0, 2, frames)
    labels = {"behaviour": Labels(values, np.ones(frames, bool), "frame", "multiclass", ("attack", "other"))}
    names = ("resident", "intruder")[:animals], ("nose", "tail")
    confidence = rng.random((frames, animals, 2)).astype(np.float32)
    return Recording("rec", position, confidence, 30.0, *names, "g", labels=labels)


def events(path: Path, frames: int) -> None:
    """Write one START and STOP a second, as BORIS does."""
    lines = ["Time,Behavior,Behavior type"]
    for second in range(frames // 30):
        lines += [f"{second},attack,START", f"{second}.5,attack,STOP"]
    path.write_text("\n".join(lines) + "\n")


def wide(path: Path, frames: int) -> None:
    """Write columns <point>_x, <point>_y, <point>_likelihood."""
    values = np.random.default_rng(0).random((frames, 12)).round(4)
    names = [f"p{k}_{axis}" for k in range(4) for axis in ("x", "y", "likelihood")]
    pd.DataFrame(values, columns=names).to_csv(path, index=False)


def long(path: Path, frames: int) -> None:
    """Write a row a frame, animal and point."""
    table = pd.MultiIndex.from_product(
        [range(frames), ["a", "b"], ["p", "q"]], names=["frame", "individual", "keypoint"]
    )
    values = np.random.default_rng(0).random((len(table), 2)).round(4)
    pd.DataFrame(values, index=table, columns=["x", "y"]).to_csv(path)


def analysis(path: Path, frames: int) -> None:
    """Write SLEAP's analysis file."""
    with h5py.File(path, "w") as handle:
        handle["tracks"] = np.random.default_rng(0).random((2, 2, 2, frames))
        handle["track_names"], handle["node_names"] = [b"a", b"b"], [b"p", b"q"]


def jabs(path: Path, frames: int) -> None:
    """Write two mice of JABS's twelve points."""
    with h5py.File(path, "w") as handle:
        group = handle.create_group("poseest")
        group["points"] = np.random.default_rng(0).integers(1, 500, (frames, 2, 12, 2)).astype(np.uint16)
        group["confidence"] = np.full((frames, 2, 12), 0.8, np.float32)
        group["instance_count"] = np.full(frames, 2, np.uint8)
        group["instance_embed_id"] = np.tile(np.array([1, 2], np.uint32), (frames, 1))


def nwb(path: Path, frames: int) -> None:
    """Write two PoseEstimations of two points."""
    with h5py.File(path, "w") as handle:
        for animal in ("a", "b"):
            pose = handle.create_group(f"processing/behavior/{animal}")
            pose.attrs["neurodata_type"] = "PoseEstimation"
            for part in ("p", "q"):
                series = pose.create_group(part)
                series.attrs["neurodata_type"] = "PoseEstimationSeries"
                series["data"] = np.random.default_rng(0).random((frames, 2))
                series["confidence"], series["timestamps"] = np.ones(frames), np.arange(frames) / 30


def facemap(path: Path, frames: int) -> None:
    """Write four points of a face."""
    with h5py.File(path, "w") as handle:
        for part, name in itertools.product("abcd", ("x", "y", "likelihood")):
            handle[f"Facemap/{part}/{name}"] = np.linspace(0, 1, frames)


def trex(path: Path, frames: int) -> None:
    """Write one animal's centroid and two points."""
    names = ("X#wcentroid", "Y#wcentroid", "poseX0", "poseY0", "poseX1", "poseY1")
    np.savez(path, frame=np.arange(frames), **{name: np.arange(frames, dtype=float) for name in names})  # type: ignore[arg-type]


def instances(path: Path, frames: int) -> None:
    """Write SLEAP's csv of two tracks and two nodes."""
    values = np.random.default_rng(0).random((2 * frames, 7)).round(4)
    names = ["instance.score", *(f"{node}.{axis}" for node in ("p", "q") for axis in ("x", "y", "score"))]
    made = pd.DataFrame(values, columns=names)
    made.insert(0, "frame_idx", np.repeat(np.arange(frames), 2))
    made.insert(0, "track", np.tile(["a", "b"], frames))
    made.to_csv(path, index=False)


def samples(path: Path, frames: int) -> None:
    """Write the dictionary of BAMS: ten samples of four points."""
    npy_write.save(path, {"data": np.random.default_rng(0).normal(300, 20, (10, frames // 10, 8))})


def pictures(path: Path, frames: int) -> None:
    """Write a picture of 50 × 50 for each hundred frames."""
    rng, n = np.random.default_rng(0), frames // 100
    pixels, points = rng.integers(0, 256, (n, 50, 50), dtype=np.uint8), rng.random((n, 3, 2)).astype(np.float32) * 49
    who = np.array(["a"] * n)
    rat_npz.write(path, ImageSet(pixels, points, tuple(rat_npz.LABEL_KEYS), np.arange(n), who, who))


def twin(name: str, path: Path, **sizes: int) -> None:
    """Write the first file of a twin, of these sizes."""
    card = load_card(CARDS / f"{name}.yaml")
    assert card.simulate is not None
    make_file(card.simulate.generator, card.files[0].path, path, card.simulate.options | sizes, card)


def crops(path: Path, frames: int) -> None:
    """Write a crop of 120 × 120 with seven points for each hundred frames."""
    points = {"black": {"x": list(range(30, 65, 5)), "y": list(range(40, 75, 5))}}
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(frames // 100):
            jpeg = io.BytesIO()
            Image.fromarray(noise(k, 120, 120)).save(jpeg, "JPEG")
            archive.writestr(f"MARS_top_{k:05d}/adjusted_keypoints.json", json.dumps(points))
            archive.writestr(f"MARS_top_{k:05d}/black.jpg", jpeg.getvalue())


def labelled(path: Path, frames: int) -> None:
    """Write DeepLabCut's table of labelled frames, a picture of 100 × 100 for each hundred frames."""
    rows = ["scorer,me,me,me,me,me,me", "bodyparts,nose,nose,neck,neck,tail,tail", "coords,x,y,x,y,x,y"]
    for k in range(frames // 100):
        Image.fromarray(noise(k, 100, 100)).save(path.parent / f"{k}.png")
        rows.append(f"labeled-data/v/{k}.png,30,40,35,38,60,40")
    path.write_text("\n".join(rows) + "\n")


def noise(seed: int, *shape: int) -> np.ndarray:
    """Return a picture that does not compress."""
    return np.random.default_rng(seed).integers(60, 250, shape, dtype=np.uint8)


def film(path: Path, frames: int) -> None:
    """Write a film of 320 × 240 with one picture for each ten frames."""
    write_film(path, (noise(k, 240, 320, 3) for k in range(frames // 10)), 30.0)


def bouts_of(frames: int) -> list[Bout]:
    """Return a bout of half a second in every second, the classes in turn."""
    return [Bout(k, k + 15, ("attack", "other")[k // 30 % 2]) for k in range(0, frames - 30, 30)]


def lines(header: str, row: Callable[[Bout], str]) -> Callable[[Path, int], object]:
    """Return a writer of one line a bout."""
    return lambda path, n: path.write_text("\n".join([header, *map(row, bouts_of(n))]) + "\n")


def classes(path: Path, frames: int) -> None:
    """Write a class by name in every row."""
    path.write_text("frame,label\n" + "".join(f"{k},{('attack', 'other')[k // 15 % 2]}\n" for k in range(frames)))


def ethovision(path: Path, frames: int) -> None:
    """Write an export of raw data of 30 samples a second."""
    head = '"Number of header lines:";"5"\n"Trial name";"x"\n\n"Trial time";"Recording time";"attack"\n"s";"s";""\n'
    path.write_text(head + "".join(f"{k / 30:.4f};{k / 30:.4f};{k // 15 % 2}\n" for k in range(frames)))


def freezing(path: Path, frames: int) -> None:
    """Write BehaviorDEPOT's vector."""
    on = (np.arange(frames) // 15 % 2).astype(float)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], on, [0]])))
    bouts = np.stack([edges[::2] + 1, edges[1::2]], axis=1)
    savemat(path, {"Behavior": {"Freezing": {"Vector": on, "Bouts": bouts}}})


def table(path: Path, frames: int) -> None:
    """Write a row a frame of 0 and 1."""
    on = (np.arange(frames) // 15) % 2
    pd.DataFrame({"attack": on, "other": 1 - on}).to_csv(path, index=False)


TRACKS: dict[str, tuple[str, Callable[[Path, int], object]]] = {
    "deeplabcut": (".csv", lambda path, n: deeplabcut.write_csv(path, recording(n))),
    "sleap": (".h5", analysis),
    "calms21": (".json", lambda path, n: calms21.write_json(path, [recording(n)], group="annotator-id_0")),
    "lisbet_archive": (".h5", lambda path, n: lisbet_archive.write_archive(path, [recording(n)])),
    "daart_csv": (".csv", lambda path, n: daart_csv.write_markers(path, recording(n, 1))),
    "wide_csv": (".csv", wide),
    "long_table": (".csv", long),
    "movement": (".nc", lambda path, n: _movement(path, n)),
    "sleap csv": (".csv", instances),
    "jabs": (".h5", jabs),
    "nwb_pose": (".nwb", nwb),
    "facemap": (".h5", facemap),
    "trex": (".npz", trex),
    "bams_dict": (".npy", samples),
    "rat_npz": (".npz", pictures),
    "mabe22": (".npy", lambda path, n: twin("mabe22_mouse_twin", path, train=n // 2000, frames=1800)),
    "quadrupeds": (".npy", lambda path, n: twin("quadruped_twin", path, sequences=n // 1000, frames=1000)),
    "mars_crops": (".zip", crops),
    "dlc_frames": (".csv", labelled),
    "videos": (".mp4", film),
}
OPTIONS: dict[str, dict[str, object]] = {
    "lisbet_archive": {"keypoints": ["nose", "tail"]},
    "dlc_frames": {"head": ["nose"], "neck": ["neck"], "base": ["tail"]},
}
LABELS: dict[str, tuple[str, dict[str, object], Callable[[Path, int], object]]] = {
    "boris": (".csv", MULTI, events),
    "csv_events": (
        ".csv",
        MULTI,
        lines("behavior,start_frame,end_frame", lambda bout: f"{bout.name},{bout.start},{bout.stop}"),
    ),
    "bouts_csv": (".csv", MULTI, lines("video,label,start,end", lambda b: f"r,{b.name},{b.start},{b.stop - 1}")),
    "bento": (
        ".annot",
        MULTI,
        lines(f"{BENTO}>attack\nStart\tStop\tDuration", lambda b: f"{b.start + 1}\t{b.stop}\t{b.stop - b.start}"),
    ),
    "elan": (".eaf", MULTI, lambda path, n: write_elan(path, {"m": bouts_of(n)}, 30.0)),
    "supervisely": (".json", MULTI, lambda path, n: write_annotation(path, bouts_of(n), size=(64, 48), n_frames=n)),
    "class_table": (".csv", MULTI, classes),
    "ethovision": (".txt", MULTI | {"behaviours": ["attack"]}, ethovision),
    "deepethogram": (".csv", MULTI | {"behaviours": ["attack"]}, table),
    "simba": (".csv", MULTI | {"behaviours": ["attack"]}, table),
    "behaviordepot": (".mat", {"task": "freezing"}, freezing),
    "binary_table": (".csv", MULTI | {"behaviours": ["attack"]}, table),
    "daart_csv": (
        ".csv",
        {"background": None},
        lambda path, n: daart_csv.write_one_hot(path, np.arange(n) % 2, ["attack", "other"]),
    ),
    "caltech_annotator": (
        ".annot",
        {"channels": {"S1": "behaviour"}},
        lambda path, n: caltech_annotator.write(
            path, {"S1": [(k + 1, k + 15, "attack" if k % 30 else "other") for k in range(0, n - n % 15, 15)]}
        ),
    ),
}


def _movement(path: Path, frames: int) -> None:
    movement.write_movement(path.parent, dataclasses.replace(recording(frames), labels={}))
    (path.parent / "tracking.nc").rename(path)


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds of the processor and MB above the start, of work in a child."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    before = int(Path(f"/proc/{child}/statm").read_text().split()[1]) * 4096
    _, status, used = os.wait4(child, 0)
    if status:
        raise RuntimeError("the reader failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024 - before / 2**20


def main() -> None:
    """Read a large file by each reader."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("names", nargs="*")
    arguments.add_argument("--frames", type=int, default=100_000)
    options = arguments.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, readers in (("tracks", TRACKS), ("labels", LABELS)):
        for name, entry in readers.items():
            if options.names and name not in options.names:
                continue
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"x{entry[0]}"
                entry[-1](path, options.frames)  # type: ignore[operator]
                size = path.stat().st_size / 1e6

                def work(path: Path = path, name: str = name, entry: tuple = entry) -> object:  # type: ignore[type-arg]
                    source = name.split()[0]
                    if source in IMAGE_SOURCES:
                        return read_images(source, path, dict(OPTIONS.get(name, {})))
                    if source in VIDEO_SOURCES:
                        return sum(1 for _ in decode(probe(path)))
                    if len(entry) == 2:
                        return list(read_tracks(source, path, dict(OPTIONS.get(name, {})), recording="rec"))
                    return read_labels(name, path, dict(entry[1]), n_frames=options.frames, fps=30.0, tasks=TASKS)

                began = time.monotonic()
                seconds, peak = measured(work)
                took = time.monotonic() - began
            print(
                f"{kind} {name}: {size:.1f} MB, {seconds:.1f} s ({took:.0f} s by the clock), {peak:.0f} MB", flush=True
            )


if __name__ == "__main__":
    sys.exit(main())
