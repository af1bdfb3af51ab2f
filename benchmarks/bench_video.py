"""How fast videos become crops, against plain decoding, and how fast random frames are read from the crops.

Makes a 720p H.264 video with a key frame every 250 frames and a moving blob, then measures, alternating, several times:

    python benchmarks/bench_video.py [--seconds 200] [--repeat 3]

Prints wall and processor seconds, ratios of rates, and the peak memory of a process that preprocesses the video.
`--loops 15 --seconds 120 --repeat 0` makes half an hour out of two minutes and measures memory alone; with `--run`,
the folder of a trained `mvd` run, also that of labelling the video.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from workflow_scripts.convert.crop_video import preprocess
from workflow_scripts.methods.predict_files import predict_files
from workflow_scripts.sources.videos import Options

WIDTH, HEIGHT, FPS = 1280, 720, 30


def make(path: Path, seconds: int, noise: float, width: int = WIDTH, height: int = HEIGHT) -> None:
    """Write the video; `noise` is the camera's, new in every frame, on which the cost of decoding hangs."""
    rng = np.random.default_rng(0)
    floor = np.clip(rng.normal(170, 6, (height, width)), 0, 255).astype(np.uint8)
    chroma = np.full((height // 2, width), 128, np.uint8)
    field = np.round(rng.normal(0, noise, (height + 64, width + 64))).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "23", "preset": "veryfast", "g": "250", "x264-params": "scenecut=0"}
        for t in range(seconds * FPS):
            down, across = rng.integers(0, 64, 2)
            grain = field[down : down + height, across : across + width]
            image = np.clip(floor + grain, 0, 255).astype(np.uint8)
            x = int(width * (0.4375 + 0.375 * np.sin(t / 90)))
            y = int(height * (0.4167 + 0.3472 * np.sin(t / 130)))
            image[y : y + 70, x : x + 120] = 40
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.concatenate([image, chroma]), format="yuv420p")))
        container.mux(stream.encode(None))


def repeat(path: Path, loops: int) -> Path:
    """Play a video several times over, by copying its packets."""
    target = path.with_name("looped.mp4")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-stream_loop", str(loops - 1), "-i", str(path)]
    subprocess.run([*command, "-c", "copy", str(target)], check=True)
    return target


def timed(work: Callable[[], int]) -> tuple[float, float]:
    """Frames a second by the wall clock and by processor time."""
    wall, used = time.perf_counter(), time.process_time()
    count = work()
    return count / (time.perf_counter() - wall), count / (time.process_time() - used)


def decode(path: Path, rgb: bool) -> int:
    count = 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if rgb:
                frame.to_ndarray(format="rgb24")
            count += 1
    return count


def random_source(path: Path, starts: list[int]) -> int:
    """Sixteen frames from each start: seek to the key frame before, decode on."""
    count = 0
    for start in starts:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            container.seek(int(start / FPS / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if round(frame.pts * stream.time_base * FPS) >= start:
                    frame.to_ndarray(format="rgb24")
                    count += 1
                    if count % 16 == 0:
                        break
    return count


def peak(path: str, out: str) -> None:
    preprocess(Path(path), Options(), Path(out), recording="x")
    print(f"peak memory of preprocessing: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def peak_of_predicting(path: str, run: str, out: str) -> None:
    used = time.process_time()
    predict_files(Path(run), [Path(path)], Path(out), overlay=False)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory of labelling: {memory:.2f} GB, {time.process_time() - used:.0f} processor seconds")


def in_its_own_process(work: Callable[..., None], *arguments: str) -> None:
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=int, default=200)
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--noise", type=float, default=6.0, help="standard deviation of the grain, grey levels")
    arguments.add_argument("--video", type=Path, help="an own video instead")
    arguments.add_argument("--loops", type=int, default=1, help="times the video is played over")
    arguments.add_argument("--run", type=Path, help="folder of a trained run that labels the video")
    asked = arguments.parse_args()
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        path = asked.video or Path(folder) / "source.mp4"
        if asked.video is None:
            make(path, asked.seconds, asked.noise)
        print(f"{path.stat().st_size * 8 / 1e6 / asked.seconds:.1f} Mbit/s" if asked.video is None else path)
        path = repeat(path, asked.loops) if asked.loops > 1 else path
        crop = Path(folder) / "crop.mp4"
        if asked.repeat == 0:
            in_its_own_process(peak, str(path), str(crop))
            if asked.run is not None:
                in_its_own_process(peak_of_predicting, str(path), str(asked.run), folder)
            return
        rates: dict[str, list[tuple[float, float]]] = {"decode": [], "decode to RGB": [], "preprocess": []}
        for _ in range(asked.repeat):
            rates["decode"].append(timed(lambda: decode(path, False)))
            rates["decode to RGB"].append(timed(lambda: decode(path, True)))
            rates["preprocess"].append(timed(lambda: preprocess(path, Options(), crop, recording="x").n_frames))
        best = {name: np.median(found, axis=0) for name, found in rates.items()}
        for name, (wall, used) in best.items():
            print(f"{name:14} {wall:7.0f} frames/s, {used:7.0f} frames a processor second")
        for name in ("decode", "decode to RGB"):
            wall, used = best["preprocess"] / best[name]
            print(f"preprocess / {name}: {wall:.2f} by the clock, {used:.2f} by processor time")
        found = preprocess(path, Options(), crop, recording="x")
        starts = np.random.default_rng(1).integers(0, found.n_frames - 40, 40).tolist()

        def random_crop() -> int:
            for start in starts:
                with found.open() as video:
                    video.frames(np.arange(start, start + 16))
            return 16 * len(starts)

        reads = {"source": timed(lambda: random_source(path, starts)), "crop": timed(random_crop)}
        for name, (wall, used) in reads.items():
            print(f"random 16 frames, {name:6} {wall:7.0f} frames/s, {used:7.0f} a processor second")
        ratio = np.array(reads["crop"]) / np.array(reads["source"])
        print(f"crop / source: {ratio[0]:.1f} by the clock, {ratio[1]:.1f} by processor time")
        in_its_own_process(peak, str(path), str(crop))


if __name__ == "__main__":
    main()
