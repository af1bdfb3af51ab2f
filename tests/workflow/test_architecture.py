"""The house rules: imports go one way, files stay readable, nothing unsafe is loaded."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "workflow_scripts"
LAYERS = [
    {"core"},
    {"cards", "formats", "plotting"},
    {"video", "views", "metrics", "kinematics", "motifs", "fetch", "provenance"},
    {"sources", "training"},
    {"detectors", "simulate", "evaluation", "behaviour", "report"},
    {"convert"},
    {"methods"},
    {"experiment"},
    {"workflow"},
    {"stages", "cli"},
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    return module.split(".")[1]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute here"
            if node.module == "workflow_scripts":
                found |= {f"workflow_scripts.{alias.name}" for alias in node.names if alias.name != "__version__"}
            elif node.module:
                found.add(node.module)
    return {name for name in found if name.startswith("workflow_scripts.")}


def test_the_root_holds_rooms_only() -> None:
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]


def test_every_room_has_a_layer() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES} - {"__init__"}
    assert rooms <= set(RANK)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if here == "__init__":
        return
    for module in imported(path):
        there = room(module)
        if there == here:
            if here == "methods":
                mine, theirs = path.relative_to(PACKAGE).parts[1], module.split(".")[2:3]
                generic = (
                    mine.endswith(".py") and (PACKAGE / "methods" / f"{theirs[0]}.py").is_file() if theirs else True
                )
                shared = generic or theirs == [mine]
                assert shared, f"{path.name}: one method imports another ({module})"
            continue
        assert RANK[there] < RANK[here], f"{here} must not import {there}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_readable(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


GUARDS = {
    "torch.load": "weights_only=True",
    "np.load": "allow_pickle=False",
    "yaml.load": "Loader=_UniqueKeyLoader",
    "pickle.load": None,
    "pickle.loads": None,
    "joblib.load": None,
    "pd.read_pickle": None,
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_unpickled_unguarded(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in GUARDS:
            given = {ast.unparse(keyword) for keyword in node.keywords}
            assert GUARDS[name] in given, f"{path}:{node.lineno}: {ast.unparse(node)}"


def test_stages_have_a_rule_and_rules_a_stage() -> None:
    rules = "\n".join(path.read_text() for path in (PACKAGE.parent / "rules").glob("*.smk"))
    named = set(re.findall(r"^rule (\w+):", rules, flags=re.M))
    stages = {path.stem for path in (PACKAGE / "stages").glob("*.py")} - {"__init__"}
    assert named == stages
    for rule in named:
        body = rules.split(f"\nrule {rule}:")[1].split("\nrule ")[0]
        assert f"workflow_scripts.stages.{rule} " in body
        assert f"logs/{rule}/" in body


def test_no_machine_paths() -> None:
    pattern = re.compile(r"(^|[^A-Za-z0-9_.])/(work|root|home)/")
    for folder in ("workflow_scripts", "rules", "config", "profiles", "docs", "benchmarks", ".ci", "envs"):
        for path in (PACKAGE.parent / folder).rglob("*"):
            if path.is_file() and path.suffix in {".py", ".smk", ".yaml", ".md", ".toml", ""}:
                assert not pattern.search(path.read_text(errors="ignore")), path


def test_hdf5_files_are_opened_in_one_place() -> None:
    """`open_hdf5` looks at every link and size first; nothing else may open a file of others."""
    reads = re.compile(r'h5py\.File\([^)]*"r"')
    found = {str(path.relative_to(PACKAGE)) for path in FILES if reads.search(path.read_text())}
    assert found == {"formats/hdf5.py"}
