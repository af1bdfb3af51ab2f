"""Files into arrays: downloads, tables of tracks, MABe's arrays, the augmented images of rats."""

from __future__ import annotations

import functools
import hashlib
import http.server
import shutil
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from benchmarks.suite.entry import Case
from workflow_scripts.cards.card import RemoteFile
from workflow_scripts.fetch import fetch
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods.rat_direction.augment import COPIES, augment
from workflow_scripts.methods.rat_direction.config import AugmentOptions
from workflow_scripts.simulate.rat_direction import Options as FrameOptions
from workflow_scripts.simulate.rat_direction import make_frames
from workflow_scripts.sources import deeplabcut, mabe22
from workflow_scripts.sources.shared import npy_write

POINTS = ("nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail_base")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def download(share: float, folder: Path) -> Case:
    """A file from a server on this machine, verified; the server's own work is in all but the last."""
    size = int(200e6 * share)
    source = folder / "served" / "file.bin"
    source.parent.mkdir()
    source.write_bytes(np.random.default_rng(0).bytes(size))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(source.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/file.bin"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    file = RemoteFile(path="file.bin", urls=[url], bytes=size, sha256=digest)
    target = folder / "got" / "file.bin"

    def ours() -> None:
        shutil.rmtree(target.parent, ignore_errors=True)
        fetch(file, target, mirrors=[], mirror_name="bench")

    def plain() -> None:
        shutil.rmtree(target.parent, ignore_errors=True)
        target.parent.mkdir()
        urllib.request.urlretrieve(url, target)
        assert hashlib.sha256(target.read_bytes()).hexdigest() == digest

    def limit() -> None:
        hashlib.sha256(source.read_bytes())

    return Case(
        f"{size / 1e6:.0f} MB over HTTP, sha256",
        ours,
        plain,
        "urllib.request.urlretrieve, then hashlib.sha256",
        limit,
        "sha256 of the bytes",
    )


def _recording(frames: int) -> Recording:
    rng = np.random.default_rng(0)
    position = rng.random((frames, 2, len(POINTS), 2), dtype=np.float32) * np.float32(500)
    confidence = rng.random((frames, 2, len(POINTS)), dtype=np.float32)
    return Recording("r", position, confidence, 30.0, ("a", "b"), POINTS, "r", "px", (1024.0, 570.0))


def deeplabcut_csv(share: float, folder: Path) -> Case:
    """A table of two animals with seven points each."""
    frames = int(18_000 * 4 * share)
    path = folder / "tracks.csv"
    deeplabcut.write_csv(path, _recording(frames))

    def plain() -> None:
        table = pd.read_csv(path, header=[0, 1, 2, 3], index_col=0)
        table.to_numpy(np.float32).reshape(len(table), 2, len(POINTS), 3)

    return Case(
        f"{frames} frames × 42 columns, {path.stat().st_size / 1e6:.0f} MB",
        lambda: list(deeplabcut.read(path, deeplabcut.Options(), recording="r")),
        plain,
        "pandas.read_csv with four header rows",
        path.read_bytes,
        "reading the bytes",
    )


def mabe_arrays(share: float, folder: Path) -> Case:
    """Clips of three mice with twelve points, in the pickled dictionary of the challenge."""
    clips, frames = max(4, int(200 * share)), 1800
    rng = np.random.default_rng(0)
    one = (rng.random((frames, 3, 12, 2)) * 850).astype(np.float32)  # each clip has its own: a pickle stores one once
    path = folder / "mice.npy"
    npy_write.save(path, {"sequences": {f"C{k:04d}": {"keypoints": one + k} for k in range(clips)}})

    def plain() -> None:
        value = np.load(path, allow_pickle=True).item()
        for entry in value["sequences"].values():
            np.ascontiguousarray(entry["keypoints"][..., ::-1], np.float32)

    return Case(
        f"{clips} clips × {frames} frames × 3 mice, {path.stat().st_size / 1e6:.0f} MB",
        lambda: [clip.position.sum() for clip in mabe22.read(path, mabe22.Options(annotations=False), recording="r")],
        plain,
        "numpy.load(allow_pickle=True), which may run code",
        lambda: path.read_bytes()[::1].find(b"\xff\xfe\xfd\xfc\xfb\xfa"),
        "reading the bytes and one look at them",
    )


def augmentation(share: float, folder: Path) -> Case:
    """The 64 copies of each frame."""
    frames, options = make_frames(FrameOptions(frames=max(16, int(1546 * share)))), AugmentOptions()
    out = np.zeros((len(frames) * COPIES, *frames.images.shape[1:]), np.uint8)
    source = np.ones_like(out)
    rng = np.random.default_rng(0)

    def plain() -> None:
        made = np.empty_like(out)
        for number, image in enumerate(frames.images):
            for copy in range(COPIES):
                turned = np.rot90(image, copy % 4)
                turned = turned[:, ::-1] if copy % 8 > 3 else turned
                moved = ndimage.shift(turned, rng.integers(-3, 4, 2), order=0, mode="nearest")
                noisy = moved + rng.normal(0, 5, moved.shape)
                made[number * COPIES + copy] = np.clip(noisy, 0, 255)

    return Case(
        f"{len(frames)} frames → {len(out)} copies, {out.nbytes / 1e6:.0f} MB",
        lambda: augment(frames, options, 0, out),
        plain,
        "a loop over copies: numpy.rot90, scipy.ndimage.shift, numpy's normal noise",
        source.copy,
        "a copy of the output into fresh memory",
    )


ENTRIES = {
    "download and verify": download,
    "DeepLabCut csv to tracks": deeplabcut_csv,
    "MABe npy to tracks": mabe_arrays,
    "64-fold augmentation": augmentation,
}
