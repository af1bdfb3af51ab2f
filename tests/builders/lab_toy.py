"""A lab's small files: DeepLabCut tables, BORIS exports, and the card and sheet around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workflow_scripts.cards.card import Card, load_card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.formats.tracks import Recording

BV9 = (
    "Observation id,Observation duration,Time offset (s),Media duration (s),FPS,Subject,Behavior,Behavior type,Time,"
    "Media file name,Image index\n"
)


def dlc(
    path: Path, frames: int = 1800, *, points=("nose", "tail"), first: int = 0, add: float = 0.0, scorer: str = "net"
) -> Path:
    """A DeepLabCut csv of three header rows; frame k has its points at (k + 1, k + 2)."""
    lines = [
        "scorer" + f",{scorer}" * (3 * len(points)),
        "bodyparts," + ",".join(p for p in points for _ in range(3)),
        "coords" + ",x,y,likelihood" * len(points),
    ]
    for k in range(frames):
        cells = ",".join(f"{k + 1 + add:g},{k + 2 + add:g},0.9" for _ in points)
        lines.append(f"{k + first},{cells}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def boris(path: Path, bouts, *, fps: float = 30.0, duration: float = 60.0, observation="o1", media="m1.mp4", **more):
    """A BORIS events table of version 9: bouts are (behaviour, start, stop) or (behaviour, start, stop, subject)."""
    rows = []
    for name, start, stop, *who in bouts:
        head = f"{observation},{more.get('coded', duration)},{more.get('offset', 0)},{duration:.3f},{fps:.3f}"
        for time, status in ((start, "START"), (stop, "STOP")):
            index = round(time * fps)
            rows.append((time, f"{head},{who[0] if who else ''},{name},{status},{time:.3f},{media},{index}\n"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(BV9 + "".join(row for _, row in sorted(rows, key=lambda item: item[0])))
    return path


def card(folder: Path, text: str, sheet: str | None = None, name: str = "lab") -> Card:
    """Write a card, and its sheet with spaces for tabs, and load it."""
    config = folder / "config" / "datasets"
    config.mkdir(parents=True, exist_ok=True)
    body = "title: t\ndescription: d\nlicence: none\ncitation: [nobody]\nsource: deeplabcut\n"
    if sheet is not None:
        body += f"recordings: {name}.recordings.tsv\n"
        lines = ["\t".join("" if cell == "-" else cell for cell in line.split()) for line in sheet.strip().splitlines()]
        (config / f"{name}.recordings.tsv").write_text("\n".join(lines) + "\n")
    (config / f"{name}.yaml").write_text(f"name: {name}\nlocal: {folder / 'files'}\n{body}{text}")
    return load_card(config / f"{name}.yaml")


def convert(made: Card, recording: str, folder: Path) -> Recording:
    (found,) = convert_shard(made, made.shard(recording), folder / "files")
    return found


def spans(values: np.ndarray) -> list[tuple[int, int]]:
    """Runs of true frames."""
    edges = np.flatnonzero(np.diff(np.r_[0, values.astype(int), 0]))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
