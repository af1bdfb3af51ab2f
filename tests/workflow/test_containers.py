"""The two container recipes copy what exists, install the lock, and say the same. They are not built here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


def copied(text: str, kind: str) -> set[str]:
    """Paths that a recipe takes from the project."""
    if kind == "Dockerfile":
        lines = re.findall(r"^COPY (.+)$", text, flags=re.M)
        return {name for line in lines for name in line.split()[:-1]}
    block = text.split("%files\n")[1].split("\n%")[0]
    return {line.split()[0] for line in block.splitlines() if line.strip()}


@pytest.mark.parametrize("name", ["Dockerfile", "ethomake.def"])
def test_recipes_install_the_lock(root: Path, name: str) -> None:
    text = (root / "containers" / name).read_text()
    files = copied(text, name)
    assert {"requirements.lock", "pyproject.toml", "workflow_scripts"} <= files
    for path in files:
        assert (root / path).exists(), path
    assert "pip install --no-cache-dir --requirement requirements.lock" in text
    assert text.index("--requirement requirements.lock") < text.index("--no-deps")


def test_both_recipes_are_the_same(root: Path) -> None:
    docker, apptainer = ((root / "containers" / name).read_text() for name in ("Dockerfile", "ethomake.def"))
    assert copied(docker, "Dockerfile") == copied(apptainer, "ethomake.def")
    assert re.search(r"^FROM (\S+)$", docker, flags=re.M)[1] == re.search(r"^From: (\S+)$", apptainer, flags=re.M)[1]  # type: ignore[index]
    assert re.findall(r"pip install .+", docker) == re.findall(r"pip install .+", apptainer)
