"""Commands for Snakemake in README and docs: no target is swallowed, and those with a target plan it and no more."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from builders.plans import planned, snakemake

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "profiles/README.md", "config/README.md")),
    ROOT / "workflow_scripts" / "workflow" / "workspace.py",
    *sorted((ROOT / "docs").glob("*.md")),
]
FILES = (".yaml", ".yml", ".json", "…")


def commands(text: str) -> list[list[str]]:
    """Command lines of Snakemake in a page, word by word."""
    found = []
    for line in re.findall(r"(?:^|`)\s*(?:\.venv/bin/)?(snakemake [^`\n]*)", text, flags=re.M):
        words = shlex.split(line, comments=True)
        if any(word.startswith("-") for word in words[1:]):
            found.append(words[1:])
    return found


def swallowed(words: list[str]) -> list[str]:
    """Words that Snakemake would take for one more setting or configuration file."""
    found, name = [], ""
    for word in words:
        if word == "--":
            break
        if word.startswith("-"):
            name = word
        elif (name == "--config" and "=" not in word) or (name == "--configfile" and not word.endswith(FILES)):
            found.append(word)
    return found


ALL = [(page, words) for page in PAGES for words in commands(page.read_text(encoding="utf-8"))]
WITH_TARGET = [
    (page, words)
    for page, words in ALL
    # `--report` shows results that are there; it is no plan.
    if "--" in words
    and not {"…", "--report"} & set(words)
    and not {"mine", "experiment=first", "experiment=mine"} & set(words)
]


def test_a_swallowed_target_is_seen() -> None:
    (words,) = commands("    snakemake --cores 2 --configfile config/experiments/real.yaml paper_figures\n")
    assert swallowed(words) == ["paper_figures"]
    (words,) = commands("see `snakemake -n --config experiment=real report.html`.")
    assert swallowed(words) == ["report.html"]


@pytest.mark.parametrize(
    ("page", "words"), ALL, ids=lambda value: " ".join(value) if isinstance(value, list) else value.name
)
def test_no_command_swallows_its_target(page: Path, words: list[str]) -> None:
    assert not swallowed(words)
    for word in words:
        if word.startswith("config/experiments/"):
            assert (ROOT / word).is_file()


@pytest.mark.parametrize(
    ("page", "words"), WITH_TARGET, ids=lambda value: " ".join(value) if isinstance(value, list) else value.name
)
def test_commands_with_a_target_plan_it(page: Path, words: list[str], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    done = snakemake(ROOT, tmp_path, "-n", *words)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    rules = [rule for rule, _ in planned(done.stdout + done.stderr)]
    # A swallowed target would plan all, with the report.
    assert rules and "report" not in rules
