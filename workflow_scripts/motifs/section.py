"""The motifs of a run as a section of the report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.sections import Item, Section, write_section

PROTOTYPES = "prototypes"
"""Set of motifs chosen over all models; the other set of `bouts.csv` is the best single model."""
COLOURED = 12
"""Recordings distinguished by colour; of more, the shares are averaged."""


def write_motif_section(folder: Path, dataset: str, method: str, path: Path) -> None:
    """Write a section on the motifs of one run.

    Parameters
    ----------
    folder : Path
        `motifs/` of the run, see :func:`.motifs.report.describe`.
    dataset, method : str
    path : Path
        The `section.json` to make; pictures and tables are put beside it.
    """
    bouts = pd.read_csv(folder / "bouts.csv", dtype={"recording": str})
    best = bouts[bouts["set"] != PROTOTYPES]
    motifs, recordings = best["motif"].nunique(), best["recording"].nunique()
    target = path.parent
    target.mkdir(parents=True, exist_ok=True)
    write_csv(target / "motifs.csv", _by_motif(best), float_format="%.4g")
    shares = best[["recording", "motif", "frames_share"]]
    if recordings > COLOURED:
        shares = shares.groupby("motif", sort=False)["frames_share"].mean().reset_index().assign(recording="mean")
    write_csv(target / "shares.csv", shares, float_format="%.4g")
    for name in ("transitions.png", "selection.png"):
        shutil.copyfile(folder / name, target / name)
    items = [
        Item(
            kind="text",
            caption=f"Motifs are stretches of similar movement. A hidden Markov model found them in the embeddings of "
            f"{method} without any label; of the models tried, that of {motifs} motifs has the lowest Bayesian "
            f"information criterion. The run's folder motifs/ holds every bout, frame by frame.",
        ),
        Item(
            kind="table",
            file="motifs.csv",
            caption=f"Motifs over {recordings} recording{'s' * (recordings != 1)}: number of bouts, their mean "
            "duration, share of all frames.",
        ),
        Item(
            kind="plot",
            mark="bars",
            file="shares.csv",
            x="motif",
            y="frames_share",
            colour="recording",
            caption="Share of the frames of a recording in each motif.",
        ),
        Item(
            kind="image",
            file="transitions.png",
            caption="Which motif follows which: the width of an arrow is the share of a motif's ends after which the "
            "other begins.",
        ),
        Item(
            kind="image",
            file="selection.png",
            caption="Motifs that models of several sizes agree on (prototypes), or why there are none.",
        ),
    ]
    write_section(path, Section(title=f"Motifs of {method}", dataset=dataset, order=15, items=items))


def _by_motif(best: pd.DataFrame) -> pd.DataFrame:
    """Sum bouts over recordings; duration and share are means over bouts and over recordings."""
    seconds = best["bouts"] * best["mean_duration_s"].fillna(0)
    grouped = best.assign(seconds=seconds).groupby("motif", sort=False)
    made = grouped.agg(bouts=("bouts", "sum"), seconds=("seconds", "sum"), frames_share=("frames_share", "mean"))
    made.insert(1, "mean_duration_s", made["seconds"] / made["bouts"].where(made["bouts"] > 0))
    return made.drop(columns="seconds").reset_index()
