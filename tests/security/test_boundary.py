"""One boundary around every reader: foreign faults are one sentence, and defects of ours stay defects."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.core.boundary import checked, is_defect, reading
from workflow_scripts.core.errors import InputError
from workflow_scripts.sources import read_tracks, sleap
from workflow_scripts.sources.shared import text

CSV = "scorer,s,s,s\nbodyparts,a,a,a\ncoords,x,y,likelihood\n0,1,2,1\n"


def fails(work: Any) -> BaseException:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


FOREIGN = {
    "lookup": lambda: {}["x"],
    "text": lambda: b"\xff".decode(),
    "zlib": lambda: zlib.decompress(b"x"),
    "type": lambda: len(3),  # type: ignore[arg-type]
    "attribute": lambda: [].keys(),  # type: ignore[attr-defined]
    "memory": lambda: bytearray(2**62),
    "division": lambda: 1 // 0,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_whatever_a_library_raises_is_one_sentence(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(InputError, match="expected a table") as caught, reading(tmp_path / "x", "a table"):
        FOREIGN[kind]()
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None
    assert "raised at" in caplog.text  # the cause is in the log


def test_a_recursion_is_one_sentence(tmp_path: Path) -> None:
    def deeper() -> None:
        deeper()

    with pytest.raises(InputError, match="nested too deeply"), reading(tmp_path / "x"):
        deeper()


def test_a_planted_bug_in_a_reader_stays_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.csv"
    path.write_text(CSV)
    assert len(list(read_tracks("deeplabcut", path, {}, recording="r"))) == 1

    def planted(*args: object) -> None:
        raise KeyError("a bug of ours on a valid file")

    monkeypatch.setattr("workflow_scripts.sources.deeplabcut._arrange", planted)
    with pytest.raises(KeyError, match="a bug of ours"):
        list(read_tracks("deeplabcut", path, {}, recording="r"))


@pytest.mark.parametrize(
    "code",
    [
        "undefined_name",
        "import no_such_module_anywhere",
        "assert not path",
        "refuse_non_text(path)",
        "raise ValueError('ours')",
        "math.no_such_function",
    ],
)
def test_kinds_of_bugs_that_no_file_causes(code: str, tmp_path: Path) -> None:
    """Code compiled as if it were a module of the package."""
    source = f"def read(path):\n    {code}\n"
    names: dict[str, Any] = vars(text) | {}
    exec(compile(source, sleap.__file__, "exec"), names)
    assert is_defect(fails(lambda: names["read"](tmp_path)))


def test_what_works_on_a_checked_structure_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), reading(tmp_path / "x"), checked():
        _ = 1 // 0


def test_a_bug_in_a_room_that_sees_no_bytes_is_a_defect(tmp_path: Path) -> None:
    from workflow_scripts.kinematics import geometry

    names: dict[str, Any] = {}
    exec(compile("def work():\n    return {}['x']\n", geometry.__file__, "exec"), names)
    with pytest.raises(KeyError), reading(tmp_path / "x"):
        names["work"]()


def test_the_consumer_of_recordings_is_outside_the_boundary(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(CSV)
    with pytest.raises(ZeroDivisionError):
        for recording in read_tracks("deeplabcut", path, {}, recording="r"):
            _ = recording.n_frames // 0


def test_a_planted_bug_ends_the_stage_as_a_defect(tmp_path: Path) -> None:
    """The whole stage: exit status 2 and the request to report it; a foreign fault ends with 1."""
    program = """
import sys
from workflow_scripts.stages import convert, parser, start
from workflow_scripts.sources import deeplabcut
if sys.argv.pop(1) == "planted":
    def planted(*args): raise IndexError("ours")
    deeplabcut._arrange = planted
arguments = parser("x")
from pathlib import Path
arguments.add_argument("--card", type=Path); arguments.add_argument("--shard", default="a")
arguments.add_argument("--resources", type=Path); arguments.add_argument("--output", type=Path)
start(arguments, convert.work)
"""
    (tmp_path / "a.csv").write_text(CSV)
    card = (
        '{"name": "toy", "title": "t", "description": "d", "licence": "l", "citation": ["c"], "source": "deeplabcut", '
        '"fps": 30, "files": [{"path": "a.csv", "urls": ["u"]}], "shards": [{"id": "a", "tracks": "a.csv"}]}'
    )
    (tmp_path / "card.json").write_text(card)
    arguments = [
        "--card",
        str(tmp_path / "card.json"),
        "--resources",
        str(tmp_path),
        "--output",
        str(tmp_path / "out.h5"),
    ]
    environment = os.environ | {"ETHOMAKE_KEEP_GOING": "1", "PYTHONPATH": str(Path(__file__).parents[2])}

    def run(kind: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, kind, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)

    done = run("planted")
    assert done.returncode == 2
    assert "defect of EthoMake" in done.stderr
    (tmp_path / "a.csv").write_bytes(b"\x00" * 100)
    done = run("none")
    assert done.returncode == 0, done.stderr  # quarantined
    assert "quarantined a:" in done.stderr
