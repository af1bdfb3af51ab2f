"""Where the time goes in training, and how fast prediction and movies are."""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from workflow_scripts.methods import parse
from workflow_scripts.methods.rat_direction.augment_online import random_affine, random_copy
from workflow_scripts.methods.rat_direction.module import DirectionNet, predict_points
from workflow_scripts.methods.rat_direction.movie import enlarge, tagged_movie
from workflow_scripts.simulate.rat_direction import Options, make_frames, make_movie
from workflow_scripts.views.images import ImageSpec


def rate(work, n, seconds=2.0):
    """Images a second of wall and of processor time."""
    work()
    wall, cpu, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - wall < seconds:
        work()
        count += 1
    return count * n / (time.perf_counter() - wall), count * n / max(1e-9, time.process_time() - cpu)


def show(name, rates):
    """Print one line."""
    print(f"{name:46s} {rates[0]:10.0f} /s wall {rates[1]:10.0f} /s processor")


def training(images, points, batch, **options):
    """Print the parts of a training step."""
    config = parse("rat_direction", options).resolved()
    model = DirectionNet(config, ImageSpec.of(images))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = torch.from_numpy(images.images[:batch]), points[:batch]

    def step():
        optimizer.zero_grad()
        model._loss(model.scaled(x), (y - 25) / 25).backward()
        optimizer.step()

    name = f"{config.head} head, width {config.width}, batch {batch}"
    with torch.no_grad():
        show(f"{name}: forward", rate(lambda: model.scaled(x), batch))
    show(f"{name}: step", rate(step, batch))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    frames, movie = make_frames(Options(frames=512)), make_movie(Options(movie_frames=1200))
    points = torch.from_numpy(frames.points)
    config = parse("rat_direction", {}).resolved()
    x, y = torch.from_numpy(frames.images[:64]), points[:64]
    show("one of 64 copies on the fly", rate(lambda: random_copy(x, y, config.copies), 64))
    show("turn, scale and shift on the fly", rate(lambda: random_affine(x, y, config.affine), 64))
    for batch in (64, 256):
        training(frames, points, batch, mode="faithful")
        training(frames, points, batch)
    model = DirectionNet(config, ImageSpec.of(frames))
    for tta in (False, True):
        name = "prediction" + (", eight turns averaged" if tta else "")
        show(name, rate(lambda tta=tta: predict_points(model, frames.images, tta=tta), len(frames)))
    show("dots drawn", rate(lambda: enlarge(movie.images[:256], movie.points[:256], 6), 256))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "movie.mp4"
        work = lambda: tagged_movie(path, movie.images, movie.points, 30)  # noqa: E731
        show("movie drawn and encoded, 300 x 300", rate(work, len(movie.images)))


if __name__ == "__main__":
    main()
