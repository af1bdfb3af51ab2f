"""Digests of code: they follow the code and nothing else, whatever was kept of earlier readings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workflow_scripts.workflow import digest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "workflow_scripts"
    shutil.copytree(digest.PACKAGE / "stages", folder / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    for room in ("core", "experiment", "workflow"):
        shutil.copytree(digest.PACKAGE / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digest, "PACKAGE", folder)
    monkeypatch.setattr(digest, "KEPT", folder / "__pycache__/digests.json")
    monkeypatch.setattr(digest, "_NEW", {})
    return folder


def fresh(module: str = "stages.configuration") -> str:
    """Digest as the next process finds it."""
    digest._keep()
    digest._NEW.clear()
    for cached in (digest._file, digest._kept, digest._read, digest.imports, digest._fingerprint, digest.code_digest):
        cached.cache_clear()
    return digest.code_digest(module)


@pytest.fixture(autouse=True)
def leave_no_trace() -> object:
    yield
    for cached in (digest._file, digest._kept, digest._read, digest.imports, digest._fingerprint, digest.code_digest):
        cached.cache_clear()


def test_what_was_kept_gives_the_same_digest(package: Path) -> None:
    first = fresh()
    assert fresh() == first
    assert digest.KEPT.is_file() and digest._kept(), "nothing was kept"
    assert not digest._NEW, "files were read again"
    digest.KEPT.write_text("{broken")
    assert fresh() == first
    digest.KEPT.write_text("[]")
    assert fresh() == first


def test_code_counts_and_comments_do_not(package: Path) -> None:
    first = fresh()
    imported = package / "core/files.py"
    source = imported.read_text()
    imported.write_text("# a remark\n" + source)
    assert fresh() == first
    imported.write_text(source + "\nMORE = 1\n")
    assert fresh() != first
    imported.write_text(source)
    assert fresh() == first
    (package / "report").mkdir()
    (package / "report/__init__.py").write_text("")
    (package / "stages/configuration.py").write_text(
        (package / "stages/configuration.py").read_text() + "\nimport workflow_scripts.report\n"
    )
    assert fresh() != first


def test_what_only_a_type_checker_reads_does_not_count(package: Path) -> None:
    first = fresh()
    imported = package / "core/files.py"
    source = imported.read_text()
    imported.write_text(f"from typing import TYPE_CHECKING\n{source}")
    with_name = fresh()
    block = "if TYPE_CHECKING:\n    from workflow_scripts.report.page import Page\n"
    imported.write_text(f"from typing import TYPE_CHECKING\n{block}{source}")
    assert fresh() == with_name != first


@pytest.mark.parametrize(
    "stage",
    [
        "download",
        "simulate",
        "unpack",
        "convert",
        "tracks",
        "split",
        "audit",
        "detect",
        "clips",
        "images",
        "train",
        "embed",
        "predict",
        "probe",
    ],
)
def test_a_new_key_of_experiments_makes_no_data_and_trains_nothing_again(stage: str) -> None:
    assert "workflow_scripts.experiment.schema" not in digest.closure((f"workflow_scripts.stages.{stage}",))
