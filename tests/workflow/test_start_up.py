"""What stages import: a stage that needs no network loads none of the libraries that take seconds."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from workflow_scripts.workflow.digest import closure

PACKAGE = Path(__file__).parents[2]
HEAVY = {"torch", "lightning", "transformers", "torchmetrics"}
LIGHT = (
    "audit",
    "behaviour",
    "card",
    "chance",
    "compare",
    "configuration",
    "convert",
    "decide",
    "examples",
    "figure",
    "leaderboard",
    "mabe",
    "maps",
    "pool",
    "probe",
    "report",
    "significance",
    "simulate",
    "split",
    "submission",
    "tracks",
)


def libraries(module: str) -> set[str]:
    base = PACKAGE.joinpath(*module.split("."))
    path = base.with_suffix(".py") if base.with_suffix(".py").is_file() else base / "__init__.py"
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("stage", LIGHT)
def test_no_library_of_networks_is_reached(stage: str) -> None:
    reached = {module: libraries(module) & HEAVY for module in closure((f"workflow_scripts.stages.{stage}",))}
    assert {module: found for module, found in reached.items() if found} == {}


def test_the_process_that_waits_for_a_job_imports_little() -> None:
    assert libraries("workflow_scripts.workflow.handover") <= {"__future__", "os", "sys", "json", "signal", "socket"}
    first = ast.parse((PACKAGE / "workflow_scripts/stages/__init__.py").read_bytes()).body[2]
    assert isinstance(first, ast.Import)  # after the docstring and `annotations`
    assert first.names[0].name == "workflow_scripts.workflow.handover"
