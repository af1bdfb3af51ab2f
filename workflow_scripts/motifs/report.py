"""What a motif scan found, as tables and figures: prototypes, bouts, transitions, agreement with labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.tables import write_csv
from workflow_scripts.core.typing import BoolArray
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Labels, open_tracks
from workflow_scripts.motifs.bouts import bout_statistics, f1_matrix, match_motifs, transition_matrix
from workflow_scripts.motifs.figures import f1_figure, selection_figure, transition_figure
from workflow_scripts.motifs.hmm import scan_motifs
from workflow_scripts.motifs.options import MotifConfig
from workflow_scripts.motifs.prototypes import read_motifs, select_prototypes
from workflow_scripts.plotting.style import save_figure, styled


def scan(embeddings: Path, split: Split, folder: Path, n_states: int, options: MotifConfig) -> None:
    """Fit one number of motifs on the training recordings, and find them in every recording.

    Parameters
    ----------
    embeddings : Path
        `embeddings.h5` of a run.
    split : Split
    folder : Path
        See :func:`.motifs.scan_motifs`.
    n_states : int
    options : MotifConfig
        Runs in the mode `faithful` draw the share `fit_frac` as the original does.
    """
    with open_embeddings(embeddings) as reader:
        faithful = reader.attributes.get("mode") == "faithful"
    scan_motifs(
        embeddings,
        folder,
        n_states,
        n_iter=options.iterations,
        seed=options.seed,
        restarts=options.restarts,
        fit_on=split.train,
        fit_frac=options.fit_frac,
        replace=faithful,
    )


def best_states(folder: Path, options: MotifConfig) -> int:
    """Return the number of states with the lowest Bayesian information criterion."""
    found = {k: float(read_yaml(folder / f"metrics_hmm{k}.yaml")["bic"]) for k in options.states()}
    return min(found, key=lambda k: found[k])


def describe(embeddings: Path, tracks: Path, split: Split, folder: Path, options: MotifConfig) -> None:
    """Select prototypes and tell of motifs and prototypes what can be configured.

    Parameters
    ----------
    embeddings, tracks : Path
    split : Split
        Motifs are matched with classes on its training recordings and judged on its held-out ones.
    folder : Path
        Holds the scan (:func:`scan`). Gets `selection.csv` (the prototypes, or why there are none), `bouts.csv`,
        `transitions.csv`, `label_f1.csv` and the figures `selection`, `transitions` and `label_f1_<task>`, beside the
        files of :func:`.prototypes.select_prototypes`.
    options : MotifConfig
    """
    with open_embeddings(embeddings) as reader:
        ids = sorted(reader.ids)
    with open_tracks(tracks) as opened:
        fps = opened.header(ids[0]).fps
        labels = {identifier: opened.read(identifier).labels for identifier in ids}
    best = best_states(folder, options)
    _, one_model = read_motifs(folder, ids, best, best)
    sets = {f"hmm{best}": one_model}
    names = {f"hmm{best}": [f"Motif_{k}" for k in range(best)]}
    try:
        chosen = select_prototypes(
            folder,
            folder,
            ids,
            fps=fps,
            low=options.smallest,
            high=options.largest,
            method=options.prototype,
            frame_threshold=options.frame_threshold,
            bout_threshold=options.bout_threshold,
            distance_threshold=options.distance_threshold,
        )
    except EthoMakeError as error:
        # A scan of few or unstable motifs is a finding, and no reason to lose the rest.
        _write(folder / "selection.csv", pd.DataFrame([{"prototype": "", "note": str(error)}]))
        save_figure(_sentence(str(error)), folder / "selection")
    else:
        picked = [chosen.names[k] for k in chosen.prototypes]
        every, active = read_motifs(folder, ids, options.smallest, options.largest)
        columns = [every.index(name) for name in picked]
        sets["prototypes"] = {name: array[:, columns] for name, array in active.items()}
        names["prototypes"] = picked
        _write(folder / "selection.csv", pd.DataFrame({"prototype": picked, "note": ""}))
        save_figure(selection_figure(chosen), folder / "selection")
    tables = []
    for key, active in sets.items():
        table = bout_statistics(active, fps)
        tables.append(table.assign(motif=[names[key][k] for k in table["motif"]]).assign(set=key))
    _write(folder / "bouts.csv", pd.concat(tables))
    shares = transition_matrix([array.argmax(axis=1) for array in one_model.values()], best)
    plain = names[f"hmm{best}"]
    _write(folder / "transitions.csv", pd.DataFrame(shares, columns=plain).assign(motif=plain))
    save_figure(transition_figure(shares, plain), folder / "transitions")
    rows = []
    for key, active in sets.items():
        for task in sorted({task for mine in labels.values() for task in mine}):
            made = _agreement(active, labels, split, task, names[key])
            if made is not None:
                rows.append(made[0].assign(set=key))
                save_figure(made[1], folder / f"label_f1_{task}_{key}")
    empty = pd.DataFrame(columns=["task", "motif", "class", "f1_train", "f1_test", "matched", "set"])
    _write(folder / "label_f1.csv", pd.concat(rows) if rows else empty)


def _agreement(
    active: dict[str, BoolArray], labels: dict[str, dict[str, Labels]], split: Split, task: str, names: Sequence[str]
) -> tuple[pd.DataFrame, Figure] | None:
    """F1 of every motif against every class of a task; None where it is not labelled frame by frame."""
    sides = {}
    vocabulary: tuple[str, ...] = ()
    for side, ids in (("train", split.train), ("test", split.test)):
        states, classes = [], []
        for identifier in ids:
            mine = labels.get(identifier, {}).get(task)
            if mine is None or mine.level != "frame" or mine.kind == "continuous":
                continue
            vocabulary = tuple(mine.vocabulary)
            kept = np.asarray(mine.mask, bool)
            states.append(active[identifier][kept])
            values = np.asarray(mine.values)[kept]
            classes.append(values[:, None] == np.arange(len(vocabulary)))
        if not states:
            return None
        sides[side] = f1_matrix(np.concatenate(states), np.concatenate(classes))
    pairs = match_motifs(sides["train"])
    matched = set(pairs)
    rows = [
        {
            "task": task,
            "motif": names[i],
            "class": label,
            "f1_train": sides["train"][i, j],
            "f1_test": sides["test"][i, j],
            "matched": (i, j) in matched,
        }
        for i in range(len(names))
        for j, label in enumerate(vocabulary)
    ]
    return pd.DataFrame(rows), f1_figure(sides["test"], names, vocabulary, pairs)


def _write(path: Path, table: pd.DataFrame) -> None:
    write_csv(path, table, float_format="%.6g")


@styled
def _sentence(text: str) -> Figure:
    """Stand in for a figure that cannot be drawn, and say why."""
    figure = Figure(figsize=(6, 2), layout="constrained")
    figure.text(0.5, 0.5, text, ha="center", va="center", wrap=True, fontsize=8)
    return figure
