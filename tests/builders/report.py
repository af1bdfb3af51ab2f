"""A whole report's data from a seeded simulation: Markov labels, flickering predictions, real scores."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.cards.parts import Published
from workflow_scripts.formats.sections import Item, Section, write_section
from workflow_scripts.formats.tables import COLUMNS
from workflow_scripts.plotting import style
from workflow_scripts.report import figures
from workflow_scripts.report.data import (
    Confusion,
    DatasetSection,
    ExamplePrediction,
    LeakAudit,
    Notice,
    Quarantined,
    RecordingQuality,
    ReportData,
    TaskSummary,
)

S1 = ("base", "social", "nonsocial", "aggression")
S2 = ("base", "lateralthreat", "keepdown", "clinch", "uprightposture", "freezing", "bite", "chase")
HOSTILE = "<script>alert(1)</script>"
RULES = (
    ("download", "convert"),
    ("convert", "index"),
    ("index", "split"),
    ("index", "leaks"),
    ("split", "leaks"),
    ("index", "train"),
    ("split", "train"),
    ("train", "export_embedder"),
    ("export_embedder", "embed"),
    ("index", "embed"),
    ("embed", "probe"),
    ("split", "probe"),
    ("index", "probe"),
    ("train", "predict"),
    ("predict", "score"),
    ("probe", "score"),
    ("split", "chance"),
    ("index", "chance"),
    ("chance", "compare"),
    ("score", "compare"),
    ("leaks", "compare"),
    ("compare", "figures"),
    ("compare", "report"),
    ("figures", "report"),
    ("leaks", "report"),
    ("report", "all"),
    ("compare", "all"),
)


def chain(rng: np.random.Generator, shares: np.ndarray, frames: int, bout: float) -> np.ndarray:
    """Labels of a semi-Markov chain with log-normal bouts."""
    n = int(4 * frames / bout) + 10
    states = rng.choice(len(shares), size=n, p=shares)
    lengths = np.maximum(2, rng.lognormal(np.log(bout), 0.8, size=n)).astype(int)
    values = np.repeat(states, lengths)
    while len(values) < frames:
        values = np.concatenate([values, values])
    return values[:frames]


def predict(rng: np.random.Generator, truth: np.ndarray, shares: np.ndarray, skill: float) -> np.ndarray:
    """The truth with wrong stretches; `skill` 1 is perfect, 0 is chance."""
    wrong = chain(rng, np.array([skill, 1 - skill]), len(truth), 12).astype(bool)
    return np.where(wrong, chain(rng, shares, len(truth), 9), truth)


def rows_of(dataset, task, vocabulary, method, truths, said, readout="probe", seed=0, boot=40, **extra):
    rng = np.random.default_rng(len(method) + seed)
    size = len(vocabulary)
    pairs = zip(truths, said, strict=True)
    counts = np.stack([np.bincount(t * size + p, minlength=size**2).reshape(size, size) for t, p in pairs])

    def values(chosen):
        matrix = counts[list(chosen)].sum(axis=0)
        hits, true, claimed = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
        per_class = 2 * hits / np.maximum(true + claimed, 1)
        scores = {"macro_f1": per_class.mean(), "balanced_accuracy": (hits / np.maximum(true, 1)).mean()}
        return scores | {f"f1/{name}": per_class[k] for k, name in enumerate(vocabulary)}

    point = values(range(len(truths)))
    draws = [values(rng.integers(0, len(truths), len(truths))) for _ in range(boot)]
    for metric, value in point.items():
        low, high = np.quantile([draw[metric] for draw in draws], [0.025, 0.975])
        yield {
            "dataset": dataset,
            "method": method,
            "mode": "sound",
            "setting": "default",
            "split": "fold",
            "seed": seed,
            "readout": readout,
            "task": task,
            "level": "frame",
            "metric": metric,
            "value": value,
            "low": min(low, value),
            "high": max(high, value),
            "n": sum(map(len, truths)),
            "n_groups": len(truths),
            **extra,
        }


def extras(hostile: bool = False) -> dict:
    """Tests, ranks, maps, curves and published numbers, as the report stage reads them."""
    bad = HOSTILE if hostile else ""
    rng = np.random.default_rng(4)
    values = {"features": 0.7, f"pca{bad}": 0.5, "raw": 0.3, "prior": 0.2}
    tests = []
    for a, b in itertools.combinations(values, 2):
        row = {"dataset": "rats_pairs", "split": "fold", "task": "S1", "metric": "macro_f1"}
        row |= {"family": "chance" if b == "prior" else "methods", "a": a, "b": b, "value_a": values[a]}
        row |= {"value_b": values[b], "difference": values[a] - values[b], "low": 0.1, "high": 0.4, "p": 0.03125}
        row |= {"p_holm": 0.09375, "smallest_p": 0.03125, "comparisons": 3, "n_groups": 6, "seeds_a": 1, "seeds_b": 1}
        tests.append(row | {"exact": True, "note": None})
    about = {
        "dataset": "rats_pairs",
        "split": "fold",
        "metric": "macro_f1",
        "n_methods": 4,
        "n_tasks": 1,
        "n_groups": 6,
    }
    ranks = [
        about
        | {"scope": scope, "task": "S1" if scope == "task" else "", "label": label, "chance": label == "prior"}
        | {"rank": place + 1.0, "low": max(1.0, float(place)), "high": min(4.0, place + 2.0)}
        for scope in ("task", "dataset", "all")
        for place, label in enumerate(values)
    ]
    run = {"dataset": "rats_pairs", "method": "pca", "mode": "sound", "setting": "default", "split": "fold0", "seed": 0}
    maps = pd.DataFrame({"pc1": rng.normal(size=60), "pc2": rng.normal(size=60), "label": np.repeat(S1[:3], 20)})
    maps = maps.assign(**run, task="S1", recording=f"{bad}1", frame=np.arange(60), share1=0.5, share2=0.2)
    losses = pd.DataFrame({"epoch": np.arange(1, 9), "value": 1 / np.arange(1, 9)}).assign(
        **run, series=f"train{bad}_loss"
    )
    facts = {
        "task": "S1",
        "metric": "macro_f1",
        "value": 0.61,
        "url": "https://example.org",
        "protocol": f"Bouts{bad}.",
    }
    numbers = [
        Published(method=f"Theirs{bad}", source=f"A paper{bad}", verified=verified, ours="pca", **facts)
        for verified in (True, False)
    ]
    pictures = pd.DataFrame(
        [("rats_pairs", f"{bad}1", "bones", 0, "0-1 1-2", ""), ("rats_pairs", f"{bad}1", "box", 0, "999,750", "")]
        + [("rats_pairs", f"{bad}1", use, k * 20, f"{k},10 {k + 90},40 -;500,{9 * k} 600,300 640,90", "")
           for use in ("film", "map") for k in range(30)],
        columns=["dataset", "recording", "use", "frame", "pose", "image"],
    )  # fmt: skip
    efficiency = pd.DataFrame(
        [("rats_pairs", f"pca{bad}", "S1", k, 0.1 * k, 0.1 * k - 0.05, 0.1 * k + 0.05) for k in (1, 2, 4)],
        columns=["dataset", "label", "task", "labelled", "value", "low", "high"],
    )
    tables = {"tests": pd.DataFrame(tests), "ranks": pd.DataFrame(ranks), "maps": maps, "curves": losses}
    tables |= {"pictures": pictures, "efficiency": efficiency}
    return tables | {"published": {"rats_pairs": numbers, "elsewhere": numbers}}


def write_sections(folder: Path, hostile: bool = False) -> list[Path]:
    """A section of every kind of item in a tab of its own, one in a dataset's tab and one in a method's."""
    bad = HOSTILE if hostile else ""
    rng = np.random.default_rng(3)
    place = folder / "gallery"
    place.mkdir(parents=True)
    points = pd.DataFrame({"pc1": rng.normal(size=90), "pc2": rng.normal(size=90), "label": np.repeat(S1[:3], 30)})
    points.loc[0, "label"] = f"{bad}odd"
    points.assign(low=points["pc2"] - 1, high=points["pc2"] + 1).to_csv(place / "map.csv", index=False)
    style.save_figure(figures.method_bars(pd.DataFrame()), place / "still")
    items = [
        Item(kind="text", caption=f"A paragraph{bad}."),
        Item(kind="plot", file="map.csv", x="pc1", y="pc2", colour="label", mark="points", caption=f"A map{bad}"),
        Item(kind="plot", file="map.csv", x="pc1", y="pc2", low="low", high="high", hover=["label"], alt="lines"),
        Item(kind="table", file="map.csv", caption=f"Points{bad}"),
        Item(kind="image", file="still.png", caption=f"A picture{bad}"),
    ]
    write_section(place / "section.json", Section(title=f"Gallery{bad}", items=items))
    note = [Item(kind="text", caption="Beside the rest.")]
    write_section(folder / "of_dataset" / "section.json", Section(title="More", dataset="rats_pairs", items=note))
    write_section(folder / "of_method" / "section.json", Section(title="More still", method="pca", items=note))
    return [folder / name / "section.json" for name in ("of_method", "gallery", "of_dataset")]


def make(frames: int = 14_000, recordings: int = 6, hostile: bool = False, boot: int = 40) -> ReportData:
    """The data of a report like that of experiment `real`."""
    rng = np.random.default_rng(20)
    bad = HOSTILE if hostile else ""
    ids = [f"{bad}{name}" for name in ("1", "8", "12", "35", "46", "53")][:recordings]
    tasks = {
        "S1": (S1[:3] + ((bad,) if hostile else S1[3:]), np.array([0.12, 0.3, 0.5, 0.08])),
        "S2": (S2, np.array([0.7, 0.05, 0.07, 0.05, 0.06, 0.03, 0.01, 0.03])),
    }
    name = "rats_pairs"
    rows: list[dict] = []
    examples, confusions, summaries = [], [], []
    skills = {"features": 0.72, "lisbet": 0.66, "bams": 0.6, "pca": 0.4, "random_init": 0.36, "raw": 0.25}
    for task, (vocabulary, shares) in tasks.items():
        truths = [chain(rng, shares, frames, 60) for _ in ids]
        said: dict[str, list[np.ndarray]] = {}
        for method, skill in skills.items():
            said[method] = [predict(rng, truth, shares, skill + rng.normal(0, 0.05)) for truth in truths]
            rows += rows_of(name, task, vocabulary, method, truths, said[method], boot=boot)
            for fold in range(2):  # single folds stand beside the pooled rows
                part = slice(fold * recordings // 2, (fold + 1) * recordings // 2)
                made = rows_of(name, task, vocabulary, method, truths[part], said[method][part], boot=boot)
                rows += [{**row, "split": f"fold{fold}"} for row in made]
            size = len(vocabulary)
            pairs = np.concatenate(truths) * size + np.concatenate(said[method])
            matrix = np.bincount(pairs, minlength=size**2).reshape(size, size)
            if method in ("features", "raw"):
                confusions.append(Confusion(name, task, method, vocabulary, matrix))
        guess = [rng.choice(len(shares), size=frames, p=shares) for _ in ids]
        rows += rows_of(name, task, vocabulary, "prior", truths, guess, readout="chance", boot=boot)
        constant = [np.full(frames, shares.argmax()) for _ in ids]
        rows += rows_of(name, task, vocabulary, "majority", truths, constant, readout="chance", boot=boot)
        masked = truths[0].copy()
        masked[frames // 2 : frames // 2 + frames // 10] = -1
        few = {method: said[method][0] for method in ("features", "lisbet", "raw")}
        examples.append(ExamplePrediction(name, task, ids[0], vocabulary, masked, few, 30.0))
        counts = tuple(int((np.concatenate(truths) == k).sum()) for k in range(len(vocabulary)))
        summaries.append(TaskSummary(task, "multiclass", "frame", vocabulary, counts, sum(counts)))
    rows.append(
        {
            **rows[0],
            "method": "mvd",
            "note": f"failed: the loss became NaN{bad}.",
            "value": np.nan,
            "low": np.nan,
            "high": np.nan,
            "n": np.nan,
            "n_groups": np.nan,
        }
    )
    twin = [truth[: frames // 2] for truth in truths]
    for seed in range(3):
        said_twin = [predict(rng, truth, shares, 0.8) for truth in twin]
        twin_rows = rows_of("rats_pairs_twin", "S2", S2, "bams", twin, said_twin, seed=seed, boot=boot)
        rows += [{**row, "published": 0.71, "verified": False} for row in twin_rows]
    sections = (
        DatasetSection(
            name=name,
            title=f"Six sessions of two interacting rats{bad}",
            description="DeepLabCut tracks of two rats with frame labels made in the Caltech Behavior Annotator, "
            "in two tasks of four and of eight classes.",
            licence="CC-BY-4.0",
            terms="Cite the recording laboratory.",
            citation=("A. Author and B. Author, A study of rats, Journal of Rats, 2021, https://doi.org/10.0000/rats",),
            twin=False,
            tasks=tuple(summaries),
            recordings=tuple(
                RecordingQuality(
                    item,
                    f"session {item}",
                    frames,
                    30.0,
                    0.16 + 0.03 * k,
                    0.011 * k,
                    ("tail-e of individual2 is missing in 37 % of frames",) if k % 2 else (),
                )
                for k, item in enumerate(ids)
            ),
        ),
        DatasetSection(
            name="rats_pairs_twin",
            title="Simulated twin of rats_pairs",
            description="",
            licence="CC0-1.0",
            terms="",
            citation=("EthoMake",),
            twin=True,
            tasks=(summaries[1],),
            recordings=(RecordingQuality("sim-0", "sim-0", frames // 2, 30.0, 0.0, 0.0),),
        ),
    )
    return ReportData(
        experiment=f"real{bad}",
        config={"experiment": "real", "seeds": [0], "datasets": {name: {"splits": ["fold"], "note": bad}}},
        comparison=pd.DataFrame(rows).reindex(columns=COLUMNS),
        datasets=sections,
        examples=tuple(examples),
        confusions=tuple(confusions),
        notices=(
            Notice("warning", f"{name} · {ids[-1]}", "the label table is 12 frames longer than the tracks; cut."),
            Notice("note", "probe", f"class bite has 14 training frames in fold 2. {bad}"),
        ),
        quarantined=(
            Quarantined(name, f"47{bad}", "line 4: expected columns x, y, likelihood, found x, likelihood, y."),
        ),
        leaks=LeakAudit(4),
        rules=(*RULES, (bad, "all")) if hostile else RULES,
        timings=pd.DataFrame(
            [("download", 12, 4.2, 81.0), ("convert", 6, 9.31, 240.5), ("train", 9, 1432.0, 1890.2)],
            columns=["rule", "jobs", "seconds", "max_rss_mb"],
        ),
        versions={"python": "3.11.9", "torch": "2.13.0+cpu", "snakemake": "9.27.1"},
        provenance={"git commit": "0123456789abcdef0123456789abcdef01234567", "command": f"make demo {bad}"},
    )
