"""What an experiment's folder still contains of runs, figures and tables that the experiment no longer names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

RUNS = "runs"


def leftovers(results: Path, outputs: Iterable[str]) -> list[Path]:
    """Find what no job of an experiment makes.

    Parameters
    ----------
    results : Path
        ``results/<experiment>``, as the workflow names it.
    outputs : iterable of str
        Every output of the experiment's jobs, finished or not.

    Returns
    -------
    list of Path
        Sorted: folders of which nothing is an output, each named once, and single files. What a run writes beside its
        outputs (logs, checkpoints) belongs to the run.
    """
    planned = {PurePath(output) for output in outputs}
    above = {parent for output in planned for parent in output.parents}
    # A run's folder is one below `runs` in which a job makes a file.
    runs = {output.parent for output in planned if output.is_relative_to(results / RUNS)}
    return sorted(_unplanned(results, planned, above, runs))


def _unplanned(folder: Path, planned: set[PurePath], above: set[PurePath], runs: set[PurePath]) -> Iterator[Path]:
    for entry in folder.iterdir():
        if PurePath(entry) in planned or PurePath(entry) in runs:
            continue
        if PurePath(entry) not in above:
            yield entry
        elif entry.is_dir() and not entry.is_symlink():
            yield from _unplanned(entry, planned, above, runs)
