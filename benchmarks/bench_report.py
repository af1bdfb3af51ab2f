"""Time, memory and size of a report of many classes, recordings and methods: `python benchmarks/bench_report.py`.

Writes the small tables of an experiment of that size, seeded, in the columns the workflow writes, and makes the page of
them in a process of its own as the rule `report` does. Aims for 200 classes, 500 recordings and 50
methods: 60 s, 1 GB, 20 MB.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.cards.card import Card, Task
from workflow_scripts.formats.tables import COLUMNS, read_small, read_table
from workflow_scripts.report import assemble
from workflow_scripts.report.data import ReportData
from workflow_scripts.report.html import write_report

DATASET, TASK, FOLDS, FRAMES = "large", "behaviour", 5, 18_000


def comparison(classes: list[str], methods: list[str], recordings: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return every metric of every method, folds pooled and apart, and the chance rows."""
    metrics = ["macro_f1", "balanced_accuracy", "bout_f1@0.5", *(f"f1/{name}" for name in classes)]
    parts = []
    for place, method in enumerate([*methods, "prior", "majority"]):
        chance = method in {"prior", "majority"}
        for split in ["fold", *(f"fold{k}" for k in range(FOLDS))]:
            value = np.clip(rng.normal(0.1 if chance else 0.8 - 0.01 * place, 0.1, len(metrics)), 0, 1)
            row = {"dataset": DATASET, "method": method, "mode": "sound", "setting": "default", "split": split}
            row |= {"seed": 0, "readout": "chance" if chance else "probe", "task": TASK, "level": "frame"}
            row |= {"n": recordings * FRAMES, "n_groups": recordings}
            table = pd.DataFrame({"metric": metrics, "value": value}).assign(**row)
            parts.append(table.assign(low=np.maximum(value - 0.05, 0), high=np.minimum(value + 0.05, 1)))
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)


def confusions(classes: list[str], methods: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Return counts of truth against prediction, of every method and fold: most pairs of many classes never occur."""
    size, parts = len(classes), []
    names = np.array(classes)
    for method, fold in itertools.product(methods, range(FOLDS)):
        counts = np.diag(rng.integers(100, 5000, size)) + rng.poisson(0.3, (size, size)) * 20
        truth, said = np.nonzero(counts)
        row = {"dataset": DATASET, "method": method, "mode": "sound", "setting": "default", "split": f"fold{fold}"}
        made = pd.DataFrame(row | {"seed": 0, "task": TASK, "truth": names[truth], "prediction": names[said]})
        parts.append(made.assign(n=counts[truth, said]))
    return pd.concat(parts, ignore_index=True)


def ethograms(classes: list[str], methods: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Return bouts of 30 frames in the first recording, by people and by every method."""
    edges = np.arange(0, FRAMES + 1, 30)
    parts = []
    for row in ["truth", *methods]:
        made = pd.DataFrame({"start": edges[:-1], "stop": edges[1:], "label": rng.choice(classes, len(edges) - 1)})
        parts.append(made.assign(dataset=DATASET, task=TASK, recording="r0", row=row, background=False))
    return pd.concat(parts, ignore_index=True)


def write(folder: Path, n_classes: int, n_recordings: int, n_methods: int) -> None:
    """Write `comparison.csv`, `tests.csv`, `ranks.csv` and the tables of such an experiment."""
    rng = np.random.default_rng(0)
    classes = [f"behaviour {k}" for k in range(n_classes)]
    methods = [f"method_{k}" for k in range(n_methods)]
    tables = folder / "tables"
    tables.mkdir(parents=True)
    comparison(classes, methods, n_recordings, rng).to_csv(folder / "comparison.csv", index=False)
    confusions(classes, methods, rng).to_csv(tables / "confusions.csv", index=False)
    ethograms(classes, methods, rng).to_csv(tables / "ethograms.csv", index=False)
    recordings = [f"r{k}" for k in range(n_recordings)]
    quality = pd.DataFrame({"recording": recordings, "group": recordings}).assign(
        dataset=DATASET, frames=FRAMES, fps=30.0, missing=0.1, filled=0.01, status="ok", warnings="a point is missing"
    )
    quality.to_csv(tables / "quality.csv", index=False)
    pairs = list(itertools.product(recordings, classes))
    labels = pd.DataFrame(pairs, columns=["recording", "label"]).assign(
        dataset=DATASET,
        task=TASK,
        kind="multiclass",
        level="frame",
        n=rng.integers(0, 300, len(pairs)),
        background=False,
    )
    labels.to_csv(tables / "labels.csv", index=False)
    notes = pd.DataFrame([(DATASET, m, "fold0", f"class {c} has 3 frames") for m in methods for c in classes[:50]])
    notes.set_axis(["dataset", "method", "split", "note"], axis=1).to_csv(tables / "notes.csv", index=False)
    run = {"dataset": DATASET, "mode": "sound", "setting": "default", "split": "fold0", "seed": 0}
    maps = [
        pd.DataFrame(rng.normal(size=(1000, 2)), columns=["pc1", "pc2"]).assign(
            **run, method=method, task=TASK, label=rng.choice(classes, 1000), frame=np.arange(1000), recording="r0"
        )
        for method in methods
    ]
    pd.concat(maps).assign(share1=0.5, share2=0.2).to_csv(tables / "embedding_maps.csv", index=False)
    curves = [
        pd.DataFrame({"epoch": np.arange(60), "value": 1 / np.arange(1, 61)}).assign(
            **run | {"split": f"fold{fold}"}, method=method, series=series
        )
        for method, fold, series in itertools.product(methods, range(FOLDS), ("train_loss", "val_loss"))
    ]
    pd.concat(curves).to_csv(tables / "curves.csv", index=False)
    write_tests(folder, methods)


def write_tests(folder: Path, methods: list[str]) -> None:
    """Write the paired test of every two methods, and the ranks."""
    about = {"dataset": DATASET, "split": "fold", "task": TASK, "metric": "macro_f1"}
    tests = pd.DataFrame(list(itertools.combinations(methods, 2)), columns=["a", "b"]).assign(
        **about, family="methods", value_a=0.7, value_b=0.5, difference=0.2, low=0.1, high=0.3, p=0.03, p_holm=0.2
    )
    tests = tests.assign(smallest_p=0.001, comparisons=len(tests), n_groups=500, seeds_a=1, seeds_b=1, exact=False)
    tests.assign(note=None).to_csv(folder / "tests.csv", index=False)
    ranks = pd.DataFrame({"label": methods, "rank": np.arange(1.0, len(methods) + 1)})
    ranks = ranks.assign(
        **about, low=ranks["rank"], high=ranks["rank"], n_methods=len(methods), n_tasks=1, n_groups=500
    )
    scopes = [ranks.assign(scope=scope, chance=False) for scope in ("task", "dataset", "all")]
    pd.concat(scopes).to_csv(folder / "ranks.csv", index=False)


def page(folder: Path) -> None:
    """Make the page of the tables in `folder`."""
    tables = folder / "tables"
    names = list(dict.fromkeys(read_small(tables / "labels.csv")["label"]))
    task = Task(kind="multiclass", vocabulary=names)
    card = Card.model_construct(
        name=DATASET,
        title="Large",
        description="",
        licence="",
        terms="",
        citation=[],
        simulate=None,
        tasks={TASK: task},
    )
    sections, quarantined = assemble.sections({DATASET: card}, tables)
    data = ReportData(
        experiment="at size",
        config={},
        comparison=read_table(folder / "comparison.csv"),
        datasets=tuple(sections),
        examples=tuple(assemble.example_predictions({DATASET: card}, tables)),
        confusions=tuple(assemble.confusions(tables)),
        notices=tuple(assemble.notices(tables)),
        quarantined=tuple(quarantined),
        tests=read_small(folder / "tests.csv"),
        ranks=read_small(folder / "ranks.csv"),
        maps=read_small(tables / "embedding_maps.csv"),
        curves=read_small(tables / "curves.csv"),
    )
    write_report(data, folder / "index.html")


def measure(classes: int, recordings: int, methods: int) -> tuple[float, float, float, float]:
    """Return seconds by the clock and of the processor, peak memory in MB and size in MB of a page."""
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), classes, recordings, methods)
        began = time.monotonic()
        subprocess.run([sys.executable, __file__, "--page", name], check=True)
        seconds = time.monotonic() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (
            seconds,
            used.ru_utime + used.ru_stime,
            used.ru_maxrss / 1024,
            (Path(name) / "index.html").stat().st_size / 1e6,
        )


def main() -> None:
    """Measure one size."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--classes", type=int, default=200)
    arguments.add_argument("--recordings", type=int, default=500)
    arguments.add_argument("--methods", type=int, default=50)
    arguments.add_argument("--page", type=Path, help="make the page of this folder, in this process")
    options = arguments.parse_args()
    if options.page:
        page(options.page)
        return
    seconds, busy, peak, size = measure(options.classes, options.recordings, options.methods)
    about = f"{options.classes} classes, {options.recordings} recordings, {options.methods} methods"
    print(f"{about}: {busy:.1f} s of the processor ({seconds:.1f} s), {peak:.0f} MB, page {size:.1f} MB")


if __name__ == "__main__":
    main()
