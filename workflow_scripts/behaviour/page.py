"""The behaviour tables as a section of the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from workflow_scripts.behaviour.figures import animals, rasters
from workflow_scripts.core.names import slugify
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.sections import Item, Section, write_section
from workflow_scripts.plotting.style import save_figure

ABOUT = (
    "Hand labels (human) and predictions, held out and applied. Animals (or cages) are the units of every comparison. "
    "Read the agreement first: a measure with a bias, or whose error differs between conditions, carries no finding. "
    "Bouts, time bins and transitions are in the folder behaviour; formulas and units are in docs/behaviour.md."
)
SHOWN = (("agreement", "Model minus hand, by class and measure."), ("conditions", "Conditions by class and measure."))
DRAWN = (("animals", animals), ("rasters", rasters))


def write_page(path: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write `section.json` and the files it shows.

    Parameters
    ----------
    path : Path
    tables : mapping of str to DataFrame
        By name, as `behaviour/<name>.csv` holds them.
    """
    items = [Item(kind="text", caption=ABOUT)]
    for name, caption in SHOWN:
        if len(tables[name]):
            write_csv(path.parent / f"{name}.csv", tables[name], float_format="%.4g")
            items.append(Item(kind="table", file=f"{name}.csv", caption=caption))
    by_file = {f"behaviour/{name}.csv": table for name, table in tables.items()}
    budget = tables["budget"]
    for dataset, task, source in budget[["dataset", "task", "source"]].drop_duplicates().itertuples(index=False):
        for kind, draw in DRAWN:
            plate = draw(by_file, dataset=dataset, task=task, source=source)
            if plate is None or (kind == "animals" and not (tables["conditions"]["source"] == source).any()):
                continue
            stem = path.parent / slugify(f"{kind}-{dataset}-{task}-{source}")
            _, png = save_figure(plate[0], stem)
            items.append(Item(kind="image", file=png.name, caption=plate[2]))
    write_section(path, Section(title="Behaviour", order=10, items=items))
