"""`requirements.lock`, `pyproject.toml` and `envs/` say the same."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

CONDA_NAMES = {"pytorch": "torch", "snakemake-minimal": "snakemake"}


@pytest.fixture(scope="module")
def lock(root: Path) -> dict[str, str]:
    lines = [line for line in (root / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    pins = [line.split("==") for line in lines]
    assert all(len(pin) == 2 for pin in pins), "every line is name==version"
    return {canonicalize_name(name): pinned for name, pinned in pins}


def test_lock_satisfies_the_project(root: Path, lock: dict[str, str]) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"] + project["optional-dependencies"]["test"]:
        requirement = Requirement(text)
        pinned = lock[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pinned), f"{requirement} against {pinned}"


def test_installed_versions_are_the_locks(lock: dict[str, str]) -> None:
    for name, pinned in lock.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            pytest.fail(f"{name} of requirements.lock is not installed")
        assert installed.split("+")[0] == pinned, name


def test_locked_packages_install_on_every_python_that_the_project_allows(root: Path, lock: dict[str, str]) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    for name in lock:
        needs = metadata(name).get("Requires-Python")
        assert needs is None or SpecifierSet(needs).contains("3.11.0"), f"{name} needs Python {needs}"


@pytest.mark.parametrize("name", ["base", "torch"])
def test_conda_environments_match_the_lock(root: Path, lock: dict[str, str], name: str) -> None:
    env = yaml.safe_load((root / "envs" / f"{name}.yaml").read_text())
    assert env["channels"] == ["conda-forge", "nodefaults"]
    for entry in env["dependencies"]:
        package, pinned = entry.split("=")
        if package == "python":
            assert pinned == "3.11"
        else:
            assert lock[CONDA_NAMES.get(package, package)] == pinned, entry


def test_environments_name_tests_that_exist(root: Path) -> None:
    for path in (root / "envs").glob("*.yaml"):
        for name in re.findall(r"tests/[\w/]+\.py", path.read_text()):
            assert (root / name).is_file(), f"{path.name}: {name}"


def test_every_environment_of_a_rule_exists(root: Path) -> None:
    for path in (root / "rules").glob("*.smk"):
        for line in path.read_text().splitlines():
            if line.strip().startswith('"../envs/'):
                assert (root / "envs" / Path(line.strip().strip('",')).name).is_file()
