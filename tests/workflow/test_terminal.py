"""The terminal of `ethomake run`: counts, bars, failures; and one small workflow that really runs through it."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from workflow_scripts.core.progress import FOLDER, Meter, Reading, metered, readings
from workflow_scripts.workflow.live import LogHandler, bar, explanation, fit
from workflow_scripts.workflow.start import decorated, ending
from workflow_scripts.workflow.tally import Tally, duration, label


class Clock:
    """Seconds that pass when asked."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_meter_writes_only_where_a_terminal_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    with Meter("x", 3, "files") as meter:
        assert not meter.shown
    monkeypatch.setenv(FOLDER, str(tmp_path))
    seen = [readings(tmp_path) for _ in metered(range(2), "crop a.mp4", 2, "frames")]
    assert seen[0] == [Reading("crop a.mp4", 0, 2.0, "frames")]
    assert not list(tmp_path.iterdir())
    (tmp_path / "999999999-1.json").write_text('{"name": "dead", "done": 1, "total": 2, "unit": "x"}')
    (tmp_path / f"{os.getpid()}-1.json").write_text("half a")
    assert readings(tmp_path) == []


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_bar_fits(width: int) -> None:
    text = bar(Reading("download one.csv", 2.5e6, 10e6, "B"), width)
    assert len(text) <= width
    if width >= 80:
        assert " 25 % 2.5 of 10 MB · download one.csv" in text and text.count("█") < text.count("░")


def test_time_left_counts_rules_and_jobs_beside_one_another() -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.plan({"convert": 4, "train": 2, "total": 6})
    assert tally.total == 6 and tally.left() is None
    for job in range(4):
        tally.announce(job, "convert", {"dataset": "d", "shard": str(job)})
    clock.now += 10
    for job in range(4):
        tally.finish(job)
    # Four jobs of 10 s at once: the two trainings are taken to last 10 s each, four beside one another.
    assert tally.left() == pytest.approx(2 * 10 / 4)
    tally.announce(4, "train", {"dataset": "d", "method": "m", "setting": "default", "split": "fold0", "seed": "0"})
    assert tally.now() == ["train d m fold0"]
    assert (tally.fail(4), tally.fail(4), tally.now()) == (1, 2, [])


def test_words() -> None:
    assert label("train", {"seed": "1", "method": "m", "other": "x"}) == "train m 1"
    assert [duration(s) for s in (3.4, 200, 7300)] == ["3 s", "3 min 20 s", "2 h 1 min"]
    assert explanation(["2026 INFO a: b", "2026-01-01 ERROR ethomake: m1.csv: line 4: no number; correct it."]) == (
        "m1.csv: line 4: no number; correct it."
    )
    assert explanation(["KeyError: 'x'"]) == "KeyError: 'x'"
    assert "killed" in explanation([])
    assert decorated(["--cores", "2"]) and not decorated(["-n"]) and not decorated(["--quiet=rules"])


def test_nothing_is_said_of_results_that_are_not_there(tmp_path: Path) -> None:
    assert ending(tmp_path) == ""


def event(name: LogEvent | None, message: str = "", level: int = logging.INFO, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("snakemake", level, "", 0, message, (), None)
    record.__dict__.update(event=name, **fields)
    return record


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> tuple[LogHandler, io.StringIO]:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    return LogHandler(SimpleNamespace(dryrun=False, verbose=False, debug_dag=False), None), stream  # type: ignore[arg-type]


def test_a_pipe_gets_few_lines(shown: tuple[LogHandler, io.StringIO]) -> None:
    handler, stream = shown
    handler.handle(event(LogEvent.RUN_INFO, stats={"train": 200, "total": 200}))
    for job in range(200):
        handler.handle(event(None, "Select jobs to execute..."))
        handler.handle(event(LogEvent.JOB_INFO, jobid=job, rule_name="train", wildcards={"method": "m"}))
        handler.handle(event(LogEvent.JOB_STARTED, jobs=[job]))
        handler.handle(event(LogEvent.JOB_FINISHED, job_id=job))
        handler.handle(event(LogEvent.PROGRESS, done=job + 1, total=200))
    handler.close()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "200 jobs to do." and len(lines) == 11
    assert lines[-1].startswith("200 of 200 jobs · ") and "\x1b" not in stream.getvalue()


def test_a_failure_shows_the_end_of_its_log_and_why(shown: tuple[LogHandler, io.StringIO], tmp_path: Path) -> None:
    handler, stream = shown
    log = tmp_path / "train.log"
    log.write_text(
        "\n".join(f"2026 INFO ethomake: epoch {k}" for k in range(30)) + "\n2026 ERROR ethomake: no labels; add."
    )
    failed = {"jobid": 3, "rule_name": "train", "log": [str(log)]}
    handler.handle(event(LogEvent.JOB_INFO, jobid=3, rule_name="train", wildcards={"method": "m"}))
    for _ in range(2):
        handler.handle(event(LogEvent.JOB_ERROR, "x", logging.ERROR, **failed))
    handler.handle(event(None, "Exiting because a job execution failed.", logging.ERROR))
    handler.handle(event(LogEvent.ERROR, "RuleException:\nCalledProcessError in file x:", logging.ERROR))
    handler.close()
    text = stream.getvalue()
    assert text.startswith("Failed: train m\n") and "epoch 29" in text and "epoch 5" not in text
    assert f"  Why: no labels; add.\n  Log: {log}\n" in text
    assert text.count("Failed again") == 1 and "Exiting" not in text and "Called" not in text
    assert "Failed again (attempt 2): train m, for the same reason.\n" in text
    assert "1 job failed:\n  train m: no labels; add.\n" in text


def test_a_log_of_one_sentence_is_not_shown_twice(shown: tuple[LogHandler, io.StringIO], tmp_path: Path) -> None:
    handler, stream = shown
    log = tmp_path / "convert.log"
    log.write_text("2026-11-28 23:11:58,953 ERROR ethomake: a.csv: line 7: has 2 cells.\n")
    handler.handle(event(LogEvent.JOB_ERROR, "x", logging.ERROR, jobid=3, rule_name="convert", log=[str(log)]))
    assert stream.getvalue() == f"Failed: convert\n  Why: a.csv: line 7: has 2 cells.\n  Log: {log}\n"


def test_a_line_that_is_cut_says_so() -> None:
    assert fit("now train", 9) == "now train"
    assert fit("now train rats", 9) == "now trai…"


def test_a_job_that_goes_well_the_second_time_did_not_fail(shown: tuple[LogHandler, io.StringIO]) -> None:
    handler, stream = shown
    handler.handle(event(LogEvent.JOB_ERROR, "x", logging.ERROR, jobid=3, rule_name="train", log=[]))
    handler.handle(event(LogEvent.JOB_FINISHED, job_id=3))
    handler.close()
    assert "Failed: train" in stream.getvalue() and "1 job failed" not in stream.getvalue()


def test_a_workflow_runs_through_the_terminal(tmp_path: Path, root: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        textwrap.dedent(
            """
            rule all:
                input: expand("{k}.txt", k=range(3))
            rule one:
                output: "{k}.txt"
                log: "logs/{k}.log"
                shell:
                    "if [ {wildcards.k} = 2 ]; then"
                    " echo 'x ERROR ethomake: two is odd; take three.' > {log}; exit 1; fi; touch {output}"
            """
        )
    )
    words = [sys.executable, "-m", "workflow_scripts.workflow.start", "--cores", "2", "--keep-going"]
    given = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(words, cwd=tmp_path, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    text = done.stdout + done.stderr
    assert "4 jobs to do." in text and "Failed: one" in text and "Why: two is odd; take three." in text
    assert "rule one:" not in text and len(text.splitlines()) < 25
    logfile = re.search(r"Complete log: (\S+)", text)
    assert logfile is not None
    assert "rule one:" in Path(tmp_path, logfile.group(1)).read_text()
