"""Small crop videos with bouts one can see: a disc that rests, sways (`groom`) or jerks (`twitch`)."""

from pathlib import Path

import av
import numpy as np

from workflow_scripts.formats.clips import GOP, Clip, ClipRecording, write_clips
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.methods import parse

CLASSES = ("idle", "groom", "twitch")


def encode(path, frames, fps=30):
    """Write frames (n, size, size, 3) as the crop store does: short groups of pictures, no B-frames."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "veryfast", "bf": "0"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.gop_size = "yuv420p", GOP
        for image in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def draw(length, size, rng):
    """Frames and the class of each: bouts of 24 frames of swaying and of 6 frames of jerking, rests between them."""
    codes = np.zeros(length, np.int64)
    at = int(rng.integers(8, 24))
    while at < length - 30:
        code = int(rng.integers(1, 3))
        codes[at : at + (24 if code == 1 else 6)] = code
        at += 24 + int(rng.integers(16, 40))
    time = np.arange(length)
    x = size / 2 + np.where(codes == 1, size / 6 * np.sin(time * 2 * np.pi / 12), 0)
    y = size / 2 + np.where(codes == 2, size / 5 * (-1.0) ** time, 0)
    rows, columns = np.mgrid[:size, :size]
    far = np.hypot(columns - x[:, None, None], rows - y[:, None, None])
    grey = 60 + 150 / (1 + np.exp(far - size / 6)) + rng.normal(0, 3, (length, size, size))
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=3), codes


def recording(path, name, length, size, seed, fps=30.0):
    frames, codes = draw(length, size, np.random.default_rng(seed))
    encode(path, frames, int(fps))
    boxes = np.tile(np.array([0, 0, size, size], np.float32), (length, 1))
    motion = np.concatenate([[0], np.abs(np.diff(frames[..., 0].astype(np.float32), axis=0)).mean(axis=(1, 2))])
    labels = Labels(codes.astype(np.int16), np.ones(length, bool), "frame", "multiclass", CLASSES, "idle")
    return ClipRecording(
        id=name,
        group=name,
        fps=fps,
        path=Path(path),
        size=size,
        boxes=boxes,
        windows=boxes,
        scores=np.ones(length, np.float32),
        origin=np.ones(length, np.uint8),
        times=np.arange(length) / fps,
        motion=motion.astype(np.float32),
        image_size=(size, size),
        labels={"action": labels},
        source_sha256={f"{name}.mp4": "0" * 64},
    )


def bouts(item):
    codes = item.labels["action"].values
    edges = np.flatnonzero(np.diff(codes)) + 1
    starts, stops = np.concatenate([[0], edges]), np.concatenate([edges, [len(codes)]])
    return [
        Clip(item.id, int(a), int(b), CLASSES[codes[a]], "positive" if codes[a] else "idle")
        for a, b in zip(starts, stops, strict=True)
    ]


def dataset(folder, videos=4, length=240, size=32):
    """Write a dataset of clips; returns the path of its index."""
    items = [recording(folder / "crops" / f"v{k}.mp4", f"v{k}", length, size, k) for k in range(videos)]
    clips = [clip for item in items for clip in bouts(item)]
    write_clips(folder / "index.h5", items, {"sound": clips, "faithful": clips})
    return folder / "index.h5"


def split(train, validation=(), test=()):
    names = [*train, *validation, *test]
    return Split(
        "toy", "one", "one", sorted(train), sorted(validation), sorted(test), {name: name for name in sorted(names)}
    )


def config(**options):
    training = {"max_epochs": 1, "accelerator": "cpu"} | options.pop("training", {})
    small = {"size": "nano", "image_size": 32, "patch": 8, "num_frames": 8, "sampling_rate": 2, "batch": 8}
    return parse("mvd", small | {"learning_rate": 1e-3, "training": training} | options)


def train_and_die(path, folder, options, at):
    """Train until the process kills itself in the middle of an epoch."""
    import os
    import signal

    from workflow_scripts.methods.mvd import module as model
    from workflow_scripts.methods.runs import train
    from workflow_scripts.views.clips import ClipView

    step = model.MvdClassifier.training_step

    def deadly(self, batch, batch_idx):
        if self.global_step == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, batch, batch_idx)

    model.MvdClassifier.training_step = deadly
    train(
        "mvd",
        settings(**options),
        ClipView(path, split(["v0", "v1"], ["v2"], ["v3"])),
        folder=Path(folder),
        seed=1,
        code="c",
    )


def settings(mode="sound", **options):
    return {"mode": mode, "options": config(**options).model_dump(mode="json")}


def film(path, seed, frames=60, animal=True, pace=1.0):
    """A bright disc that drifts and a dark square that sways, in one picture; noise alone without an animal."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:96, :192]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "15"})
        stream.width, stream.height, stream.pix_fmt = 192, 96, "yuv420p"
        for t in range(frames):
            grey = 90 + rng.normal(0, 1, (96, 192))
            if animal:
                grey[np.hypot(columns - 30 - 0.6 * pace * t, rows - 40) < 8] = 220
                grey[np.abs(columns - 150 - 15 * np.sin(pace * t / 5)) + np.abs(rows - 50) < 26] = 10
            image = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path
