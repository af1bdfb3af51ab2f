"""Commands of a guide's page, run as they are printed: those of EthoMake in this process, jobs of Snakemake too.

A command `ethomake run …` becomes Snakemake. Its plan is made for real by a dry run that prints the shell commands; the
jobs are then run one after the other in this process, which saves a start of Python and torch for each.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from _pytest.monkeypatch import MonkeyPatch

from workflow_scripts.cli import main
from workflow_scripts.core.validation import deep_merge

COMMAND = re.compile(r"`((?:ethomake|tensorboard|docker) [^`]+)`")
BLOCK = re.compile(r"^```yaml\n# (config/\S+\.yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"^    (\w+)=(\S+)$", re.MULTILINE)


@dataclass
class Guide:
    """One section of the page.

    Attributes
    ----------
    title : str
    rows : list of (str, list of str)
        What the original's guide does, and our commands for it, in the order of the table.
    files : dict of str to dict
        YAML files printed in the section, by their path.
    variables : dict of str to str
        Shell variables that the section sets.
    """

    title: str
    rows: list[tuple[str, list[str]]] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


def guides(page: Path) -> dict[str, Guide]:
    """Read the page's sections (`## title`) that have a table of commands."""
    found = {}
    for section in re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        guide = Guide(section.partition("\n")[0].strip())
        for line in section.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            if line.startswith("|") and len(cells) == 2 and (commands := COMMAND.findall(cells[1])):
                guide.rows.append((cells[0], commands))
        guide.files = {path: yaml.safe_load(text) for path, text in BLOCK.findall(section)}
        guide.variables = dict(VARIABLE.findall(section))
        if guide.rows:
            found[guide.title] = guide
    return found


def write_files(guide: Guide, folder: Path, smaller: Mapping[str, Any]) -> None:
    """Write the section's YAML files, with smaller numbers laid over them."""
    for name, content in guide.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(deep_merge(content, dict(smaller.get(name, {}))), sort_keys=False))


class Became(BaseException):
    """The process would have become another program."""

    def __init__(self, line: list[str]) -> None:
        self.line = line


@contextmanager
def _arguments(*words: str) -> Iterator[None]:
    before = sys.argv
    sys.argv = list(words)
    try:
        yield
    finally:
        sys.argv = before


class Follower:
    """Runs the commands of one section, in its order, in the folder we are in.

    All targets of an experiment that the section asks for are planned at once, the first time one of them is asked for;
    each command then runs the jobs of that plan up to its own file.
    """

    def __init__(self, guide: Guide, patch: MonkeyPatch, replaced: Mapping[str, str]) -> None:
        self.guide = guide
        self.replaced = replaced
        self.patch = patch
        self.commands = [[self._words(command) for command in commands] for _, commands in guide.rows]
        self.jobs: dict[str, list[tuple[list[str], list[str]]]] = {}

    def _words(self, command: str) -> list[str]:
        for name, value in self.guide.variables.items():
            command = command.replace(f"${name}", value)
        assert "$" not in command, f"unknown variable in {command}"
        for large, small in self.replaced.items():
            command = command.replace(large, small)
        return shlex.split(command)

    def follow(self) -> None:
        """Run every command; a failure is an error of the test."""
        for commands in self.commands:
            for words in commands:
                self.run(words)

    def run(self, words: list[str]) -> None:
        """Run one command."""
        if words[:2] == ["ethomake", "run"]:
            self._run_experiment(words[2], words[3:])
        elif words[0] == "ethomake":
            assert main(words[1:]) == 0, words

    def _run_experiment(self, name: str, targets: list[str]) -> None:
        if name not in self.jobs:
            asked = [
                word for row in self.commands for words in row if words[1:3] == ["run", name] for word in words[3:]
            ]
            self.jobs[name] = self._plan(name, list(dict.fromkeys(asked)))
        jobs = self.jobs[name]
        while jobs and not all(Path(target).exists() for target in targets):
            words, outputs = jobs.pop(0)
            for output in outputs:
                Path(output).parent.mkdir(parents=True, exist_ok=True)
            with _arguments(*words[2:]), self.patch.context() as patch:
                patch.setenv("ETHOMAKE_NOTES", ".snakemake/ethomake")
                runpy.run_module(words[2], run_name="__main__")
        missing = [target for target in targets if not Path(target).exists()]
        assert not missing, f"{missing} of {name} were not made"

    def _plan(self, name: str, targets: list[str]) -> list[tuple[list[str], list[str]]]:
        """Plan Snakemake's jobs for real; returns the words and the outputs of each."""

        def become(_: str, line: list[str]) -> None:
            raise Became(line)

        with self.patch.context() as patch:
            patch.setattr(os, "execv", become)
            with pytest.raises(Became) as became:
                main(["run", name, "-n", "-p", *targets])
        done = subprocess.run(became.value.line, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-3000:]
        found = []
        for job in re.split(r"^\[.*\]$", said, flags=re.MULTILINE)[1:]:
            shell = re.search(r"^Shell command: (.*?)(?=^Job stats|\Z)", job, flags=re.MULTILINE | re.DOTALL)
            outputs = re.search(r"^    output: (.*)$", job, flags=re.MULTILINE)
            if shell is not None:
                words = shlex.split(shell[1].replace('"$ETHOMAKE_NOTES"', ".snakemake/ethomake"))
                assert words[:2] == ["python", "-m"], words
                found.append((words, re.sub(r" \([\w, ]+\)", "", outputs[1]).split(", ") if outputs else []))
        return found
