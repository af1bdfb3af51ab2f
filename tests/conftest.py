"""Shared fixtures: where the project and the small real recordings are."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# One thread per process: the test runner already uses every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]

FAST = {
    "cards",
    "core",
    "evaluation/comparison/test_leaderboard.py",
    "evaluation/scores/test_means_over_tasks.py",
    "evaluation/scores/test_window_ceilings.py",
    "experiment",
    "fetch",
    "formats",
    "frozen",
    "kinematics",
    "methods/test_contract.py",
    "metrics",
    "motifs",
    "report/test_report_summary.py",
    "security/test_guards.py",
    "sources",
    "workflow/test_architecture.py",
}
"""Rooms and files below tests/ whose tests, but for those marked slow, are marked `fast` for `make test-fast`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        here = item.path.relative_to(ROOT / "tests")
        if item.get_closest_marker("slow") is None and not FAST.isdisjoint({here.parts[0], here.as_posix()}):
            item.add_marker("fast")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder of the small real recordings; the test is skipped where it is absent."""
    named = os.environ.get("ETHOMAKE_MIRRORS", "").split(os.pathsep)[0]
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real recordings are not here: set ETHOMAKE_MIRRORS to their folder")
    return folder


def _release_streams() -> None:
    # pytest's own handlers are of other types.
    logger = logging.getLogger()
    for handler in list(logger.handlers):
        if type(handler) in (logging.StreamHandler, logging.FileHandler):
            logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def no_handlers_of_stages() -> Iterator[None]:
    """Remove the handlers of stages that a test or a fixture ran in this process: their streams are closed."""
    level = logging.getLogger().level
    _release_streams()
    yield
    _release_streams()
    logging.getLogger().setLevel(level)
