"""README and site: tables fit the registries, links lead somewhere, every command shown parses or runs."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.lab_toy import boris, dlc
from mkdocs.utils.yaml import yaml_load

from docs.site import formulas, readme, reference
from docs.site.hook import BROUGHT, _pages
from workflow_scripts import cli
from workflow_scripts.metrics.registry import METRICS
from workflow_scripts.workflow.workspace import init

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN = [ROOT / "README.md", ROOT / "docs/quickstart.md", *sorted((ROOT / "docs/tutorials").glob("*.md"))]
BLOCK = re.compile(r"(?:<!-- not run: ([^>]+) -->\n)?```sh\n(.*?)```", re.S)
OTHERS = {"make", "cd", "export", "pip"}


def blocks(page: Path) -> Iterator[tuple[str, list[list[str]]]]:
    """Each block of commands of a page: why it is not run (empty where it is), and its commands word by word."""
    for reason, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = [part for line in text.splitlines() for part in line.split(" && ")]
        yield reason, [words for line in lines if (words := shlex.split(line, comments=True))]


COMMANDS = [(page, why, words) for page in SHOWN for why, lines in blocks(page) for words in lines]


def test_the_tables_of_the_readme_fit_the_registries() -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert readme.filled(text) == text, "run make readme"


def test_every_metric_has_a_formula_and_a_source() -> None:
    assert {metric.name for metric in METRICS} == set(formulas.FORMULAS)
    assert all(all(entry) for entry in formulas.FORMULAS.values())


def test_reference_pages_know_what_the_code_knows() -> None:
    page = reference.commands_page()
    assert all(f"## {name}\n" in page for name in cli.COMMANDS)
    refused = reference.refusals()
    assert sum(map(len, refused.values())) > 400
    assert "`datasets[].splits`" in reference.settings_page()
    assert "&lt;" in reference.refusals_page() or "<" not in reference.refusals_page().split("-->")[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    made = {f"docs/{name}" for name in (*reference.PAGES, *BROUGHT)}
    for link in re.findall(
        r"\]\(([^)\s#]+)[^)]*\)", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    ):
        if not re.match(r"[a-z]+:", link):
            target = (page.parent / link).resolve()
            assert target.exists() or target.relative_to(ROOT).as_posix() in made, f"{page}: {link}"


def test_every_page_that_the_navigation_names_is_there() -> None:
    named = _pages(yaml_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    absent = [name for name in named if not (ROOT / "docs" / name).is_file()]
    assert set(absent) <= {*reference.PAGES, *BROUGHT}


@pytest.mark.parametrize(
    ("page", "why", "words"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_commands_shown_parse(page: Path, why: str, words: list[str]) -> None:
    if words[0] in OTHERS:
        if words[0] == "make":
            assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text()
        return
    assert words[0] == "ethomake", f"{page.name}: {words}"
    parser = cli._parser(words[1])
    parser.parse_args(words[1:])
    assert not why or len(why) > 10


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders that the tutorials name: six recordings with labels, six films with labels, conditions."""
    folder = tmp_path_factory.mktemp("tutorial")
    for k in range(1, 7):
        dlc(folder / "recordings" / f"m{k}.csv", 900)
        boris(folder / "labels" / f"m{k}.csv", [("groom", 2, 6 + k), ("rear", 20, 22)], duration=30, media=f"m{k}.mp4")
    rows = [f"m{k},mouse{k},{'treated' if k % 2 else 'control'}" for k in range(1, 7)]
    (folder / "conditions.csv").write_text("recording,animal,condition\n" + "\n".join(rows) + "\n")
    return folder


def ran(words: list[str], folder: Path) -> str:
    """Run a command of EthoMake in this process; a dry run of the workflow becomes the check before it."""
    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = cli.main(["check", words[1], "--no-picture"] if words[0] == "run" else words)
    assert status == 0, (words, said.getvalue())
    return said.getvalue()


def test_the_tutorial_of_tracks_runs_as_printed(lab: Path) -> None:
    page = ROOT / "docs/tutorials/own_tracks.md"
    commands = [words[1:] for why, lines in blocks(page) if not why for words in lines if words[0] == "ethomake"]
    assert commands[0] == ["init", "LAB"]
    ran(commands[0], lab)
    place = lab / "LAB"
    said = {" ".join(words): ran(words, place) for words in commands[1:] if words[0] != "export-labels"}
    proposal = said["new-dataset ../recordings ../labels --name mine --fps 30"]
    assert "groom" in proposal and (place / "config/datasets/mine.recordings.tsv").is_file()
    assert "features" in said["run first"]


@pytest.mark.parametrize("name", ["conditions", "unlabelled", "paper"])
def test_other_tutorials_run_as_printed(name: str, lab: Path, tmp_path: Path) -> None:
    init(tmp_path / "LAB")
    for part in ("recordings", "labels", "conditions.csv"):
        (tmp_path / part).symlink_to(lab / part)
    for why, lines in blocks(ROOT / f"docs/tutorials/{name}.md"):
        for words in lines if not why else []:
            if words[1] != "plan":  # it plans the whole graph, which tests/workflow/test_plan.py does
                ran(words[1:], tmp_path / "LAB")


@pytest.mark.parametrize("page", ["security.md", "faults.md"])
def test_tests_that_a_page_names_exist(page: str) -> None:
    tests = ROOT / "tests"
    known = {path.relative_to(tests).as_posix() for path in tests.rglob("test_*.py")}
    known |= {path.rsplit("/", 1)[-1] for path in known}
    named = re.findall(r"`(?:tests/)?([\w/]*test_\w+\.py)`", (ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if name not in known] == []
