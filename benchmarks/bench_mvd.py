"""What inference costs beyond the bare forward passes, and where the time of a training step goes (one thread)."""

import argparse
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch

from workflow_scripts.formats.clips import GOP, ClipRecording
from workflow_scripts.methods import parse
from workflow_scripts.methods.mvd.augment import augment, normalise
from workflow_scripts.methods.mvd.inference import read_chunks
from workflow_scripts.methods.mvd.method import predict
from workflow_scripts.methods.mvd.module import MvdClassifier
from workflow_scripts.methods.mvd.store import stored_side
from workflow_scripts.views.clips import ClipSpec

CLASSES = ("idle", "groom", "twitch")


def crop_video(path, frames, size):
    """Write a crop video of noise on a moving pattern, as the crop store does."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "20", "bf": "0"})
        stream.width = stream.height = size
        stream.pix_fmt, stream.gop_size = "yuv420p", GOP
        for t in range(frames):
            image = 128 + 60 * np.sin((rows + 3 * t) / 20) * np.cos(columns / 15) + rng.normal(0, 4, rows.shape)
            grey = np.clip(image, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    none = np.zeros(frames, np.float32)
    boxes = np.zeros((frames, 4), np.float32)
    return ClipRecording(
        "bench", "bench", 30.0, Path(path), size, boxes, boxes, none, none.astype(np.uint8), none.astype(float), none,
        (size, size),
    )  # fmt: skip


def seconds(work):
    """Wall and processor time of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def inference(name, recording, **options):
    """Compare a prediction with the forward passes in it."""
    model = MvdClassifier(parse("mvd", options).resolved(), ClipSpec(30.0, 256, {"action": CLASSES})).eval()
    chunks = read_chunks(recording, model.config.side)
    # (n, steps, channel, 2, side, side) → whole windows (n, channel, time, side, side)
    batches = [tubes.transpose(1, 2).flatten(2, 3) for _, tubes in model.slider.batches(chunks, torch.Tensor.clone)]
    count = sum(map(len, batches))

    @torch.inference_mode()
    def bare():
        for windows in batches:
            model.answer(windows)

    bare()
    forward, whole = seconds(bare), seconds(lambda: predict(model, recording))
    bare_rate, rate = count / forward[1], count / whole[1]
    print(
        f"{name:34s} {count:4d} windows  bare {bare_rate:7.2f}/s  predict {rate:7.2f}/s  "
        f"overhead {100 * (whole[1] / forward[1] - 1):5.1f} % (processor)"
    )


def step_shares(name, batch, **options):
    """Print the parts of a training step."""
    config = parse("mvd", options).resolved()
    model = MvdClassifier(config, ClipSpec(30.0, 256, {"action": CLASSES}))
    optimizer = torch.optim.AdamW(model.layer_rates(), fused=True)
    kept = stored_side(256, config.side)
    pixels = torch.randint(0, 256, (batch, config.num_frames, kept, kept, 3), dtype=torch.uint8)
    steps = config.num_frames // 2 if config.head == "tubelet" else 1
    targets, weights = torch.full((batch, steps, 3), 1 / 3), torch.ones(batch, steps)
    times = []
    for _ in range(3):
        marks = [time.process_time()]
        video, goal, mask = augment(pixels, targets, weights, config.side, config.augment)
        video = normalise(video, motion=config.motion)
        marks.append(time.process_time())
        loss = model.loss(model.network(video), goal, mask)
        marks.append(time.process_time())
        loss.backward()
        marks.append(time.process_time())
        optimizer.step()
        optimizer.zero_grad()
        marks.append(time.process_time())
        times.append(np.diff(marks))
    parts = np.min(times, axis=0)
    shares = "  ".join(
        f"{what} {100 * part / parts.sum():4.1f} %"
        for what, part in zip(("augment", "forward", "backward", "step"), parts, strict=True)
    )
    print(f"{name:34s} {batch / parts.sum():7.2f} windows/s (processor)  {shares}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=160, help="length of the video in frames")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    nano = {"size": "nano", "num_frames": 32, "sampling_rate": 1, "motion": True, "hop": 4, "infer_batch": 32}
    small = {"size": "small", "num_frames": 16, "sampling_rate": 2, "hop": 16}
    with tempfile.TemporaryDirectory() as folder:
        recording = crop_video(Path(folder) / "crop.mp4", options.frames, 256)
        inference("small, 16 × 224 px, hop 16", recording, **small)
        small_crop = crop_video(Path(folder) / "small.mp4", 4 * options.frames, 96)
        inference("nano, 32 × 64 px, hop 4", small_crop, **nano)
    step_shares("small, 16 × 224 px", 2, **small)
    step_shares("nano, 32 × 64 px, motion", 16, **nano)


if __name__ == "__main__":
    main()
