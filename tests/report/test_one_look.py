"""Every figure has the look of `workflow_scripts/plotting/style.py`, and a class one colour everywhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pandas as pd
from matplotlib.colors import to_hex

from workflow_scripts.cards.card import Task
from workflow_scripts.convert.check.picture import label_colours
from workflow_scripts.methods.bams.latents import latent_figure
from workflow_scripts.plotting.style import PALETTE, QUIET, class_colours, style

PACKAGE = Path(__file__).parents[2] / "workflow_scripts"


def makers(tree: ast.AST) -> list[ast.FunctionDef]:
    """Functions that make a Figure."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(
            isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Figure"
            for call in ast.walk(node)
        )
    ]


def test_every_function_that_makes_a_figure_is_styled() -> None:
    found, bare = 0, []
    for path in sorted(PACKAGE.rglob("*.py")):
        for function in makers(ast.parse(path.read_text(encoding="utf-8"))):
            found += 1
            decorated = any(ast.unparse(item) == "styled" for item in function.decorator_list)
            if not decorated and "with style():" not in ast.unparse(function):
                bare.append(f"{path.relative_to(PACKAGE)}: {function.name}")
    assert found > 20 and bare == []


def test_no_figure_takes_colours_of_matplotlib() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        assert not re.search(r"[\"']tab:\w+[\"']|color=[\"']C\d[\"']", path.read_text(encoding="utf-8")), path
    with style():
        import matplotlib as mpl

        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == list(PALETTE)


def test_the_picture_of_a_dataset_has_the_colours_of_the_report() -> None:
    names = ("base", "social", "nonsocial")
    task = Task(kind="multiclass", vocabulary=list(names), background="base")
    assert label_colours(task, names) == class_colours(names, "base") == [QUIET, PALETTE[0], PALETTE[1]]
    assert label_colours(Task(kind="binary", vocabulary=["no", "yes"]), ("no", "yes")) == [QUIET, PALETTE[0]]


def test_latents_have_the_colours_of_the_report() -> None:
    rows = [
        {"map": name, "recording": f"r{k}", "pc1": k, "pc2": -k, "explained": 0.5, "lights": answer}
        for name in ("short", "long", "both")
        for k, answer in enumerate(("yes", "no", "yes"))
    ]
    figure = latent_figure(pd.DataFrame(rows), ["lights"], {"lights": (("no", "yes"), "no")})
    drawn = {to_hex(colour) for part in figure.axes[0].collections for colour in part.get_facecolor()}
    assert drawn == {QUIET, PALETTE[0]}
