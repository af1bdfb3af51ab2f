"""The terminal of `ethomake run`: a logger plugin for Snakemake that shows one live line, bars, and failures in full.

On a terminal the last lines are drawn again and again: a line with the rules done and to do, the time left and what
runs, and a bar for every job that reports how far it is. In a pipe one line a tenth of the run is written. The
complete log is in the file that Snakemake keeps in `.snakemake/log`.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from workflow_scripts.core.errors import one_line
from workflow_scripts.core.progress import FOLDER, Reading, readings
from workflow_scripts.workflow.tally import Tally, duration

TAIL = 12
"""Lines of a failed job's log that are shown."""
DRAWN = 0.25
"""Seconds between two drawings."""
STATED = re.compile(r"\b(?:ERROR|CRITICAL)\b:? ?(?:[\w.]+: )?(.+)")
CHATTER = (
    "Exiting because a job",
    "At least one job did not complete",
    "WorkflowError:\nAt least one job",
    "RuleException:\nCalledProcessError",
)
"""Messages of Snakemake that repeat what has been shown."""


def bar(reading: Reading, width: int) -> str:
    """Draw a meter in at most `width` characters."""
    share = min(reading.done / reading.total, 1.0)
    scale, unit = (1e6, "MB") if reading.unit == "B" else (1.0, reading.unit)
    text = (
        f" {100 * share:3.0f} % {reading.done / scale:.{1 if scale > 1 else 0}f} of {reading.total / scale:.0f} {unit}"
    )
    room = max(min(30, width - len(text) - 20), 0)
    full = int(room * share)
    return f"  {'█' * full}{'░' * (room - full)}{text} · {reading.name}"[:width]


def fit(line: str, width: int) -> str:
    """Cut a line at `width` characters, and mark that it is cut."""
    return line if len(line) <= width else line[: width - 1] + "…"


def tail(path: Path, lines: int = TAIL) -> list[str]:
    """Return the last lines of a log."""
    try:
        with open(path, "rb") as handle:
            handle.seek(max(path.stat().st_size - 20_000, 0))
            text = handle.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line[:500] for line in text.splitlines() if line.strip()][-lines:]


def explanation(lines: list[str]) -> str:
    """Return the sentence of a log that explains a failure: its last error, else its last line."""
    stated = [found.group(1) for line in lines if (found := STATED.search(line))]
    return (stated or lines or ["the job left no log; it may have been killed, or ran out of memory"])[-1].strip()


class LogHandler(LogHandlerBase):
    """Show what Snakemake does."""

    def __post_init__(self) -> None:
        """Set up the display, and the thread that keeps it moving on a terminal."""
        self._out: TextIO = sys.stderr
        # A dry run is a listing, and somebody who asks for every detail gets Snakemake's own words.
        self._plain = self.common_settings.dryrun or self.common_settings.verbose or self.common_settings.debug_dag
        self._live = self._out.isatty() and os.environ.get("TERM") != "dumb" and not self._plain
        self._tally = Tally()
        self._drawn = 0
        self._tenth = 0
        self._failed: dict[int, str] = {}
        self._errors: set[str] = set()
        self._ended = threading.Event()
        if self._live:
            self._ticker = threading.Thread(target=self._tick, daemon=True)
            self._ticker.start()

    @property
    def writes_to_stream(self) -> bool:
        """It takes the place of Snakemake's own lines."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake writes its log file all the same."""
        return False

    @property
    def has_filter(self) -> bool:
        """Events are chosen in :meth:`emit`, except where Snakemake's own lines are shown."""
        return not self.common_settings.dryrun

    @property
    def has_formatter(self) -> bool:
        """Snakemake's formatter is used for its own lines."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """The numbers of jobs are enough."""
        return False

    def emit(self, record: logging.LogRecord) -> None:
        """Take one event; `Handler.handle` holds the lock."""
        try:
            if self._plain:
                self._write(self.format(record))
                return
            self._take(record)
            if self._live:
                self._draw()
        except Exception:
            self.handleError(record)

    def _take(self, record: logging.LogRecord) -> None:
        event, fields = getattr(record, "event", None), record.__dict__
        match event:
            case LogEvent.RUN_INFO:
                self._tally.plan(fields.get("stats") or {})
                self._write(f"{self._tally.total} jobs to do.")
            case LogEvent.JOB_INFO:
                self._tally.announce(fields["jobid"], fields["rule_name"], dict(fields["wildcards"] or {}))
            case LogEvent.JOB_STARTED:
                self._tally.start(fields["jobs"])
            case LogEvent.JOB_FINISHED:
                self._tally.finish(fields["job_id"])
                self._failed.pop(fields["job_id"], None)  # a later attempt went well
            case LogEvent.PROGRESS:
                self._tally.done, self._tally.total = fields["done"], fields["total"]
                self._report_tenth()
            case LogEvent.JOB_ERROR:
                self._fail(fields)
            case None | LogEvent.ERROR | LogEvent.GROUP_ERROR:
                self._pass_on(record)
            case _:
                pass

    def _pass_on(self, record: logging.LogRecord) -> None:
        """Show a message in words that a user can act on; Snakemake's account of itself is in its log."""
        text = record.getMessage().strip()
        if text.startswith("Complete log"):
            self._log_file = text.partition(": ")[2]
        elif text.startswith("Nothing to be done"):
            self._write("Nothing to be done: all results are there and up to date.")
        elif record.levelno >= logging.WARNING and text not in self._errors and not text.startswith(CHATTER):
            self._errors.add(text)
            self._write(text)

    def _fail(self, fields: dict[str, Any]) -> None:
        job = fields["jobid"]
        name = self._tally.names.get(job, fields["rule_name"])
        attempt = self._tally.fail(job)
        logs = [Path(path.split(" (")[0]) for path in fields["log"]]
        lines = next(filter(None, map(tail, logs)), [])
        sentence = explanation(lines)
        before, self._failed[job] = self._failed.get(job), f"{name}: {sentence}"
        if attempt > 1:
            same = before == self._failed[job]
            self._write(
                f"Failed again (attempt {attempt}): {name}{', for the same reason.' if same else f': {sentence}'}"
            )
            return
        self._write(f"Failed: {name}")
        if len(lines) == 1 and lines[0].endswith(sentence):
            lines = []  # the log holds the explanation and nothing else
        for line in lines:
            self._write(f"    {line}")
        self._write(f"  Why: {sentence}")
        if logs:
            self._write(f"  Log: {', '.join(map(str, logs))}")

    def _report_tenth(self) -> None:
        tenth = 10 * self._tally.done // max(self._tally.total, 1)
        if not self._live and tenth > self._tenth:
            self._tenth = tenth
            self._write(self._line())

    def _line(self) -> str:
        tally, now = self._tally, self._tally.now()
        left = tally.left() if tally.done < tally.total else None
        parts = [f"{tally.done} of {tally.total} jobs", duration(tally.elapsed)]
        if left is not None:
            parts.append(f"about {duration(left)} left")
        if now:
            parts.append("now " + now[0] + (f" and {len(now) - 1} more" if len(now) > 1 else ""))
        return " · ".join(parts)

    def _write(self, text: str) -> None:
        """Write lines that stay, above the live ones."""
        self._erase()
        self._out.write(text + "\n")
        self._out.flush()

    def _erase(self) -> None:
        if self._drawn:
            self._out.write(f"\x1b[{self._drawn}A\x1b[J" if self._drawn > 1 else "\x1b[1A\x1b[J")
            self._drawn = 0

    def _draw(self) -> None:
        """Draw the live lines; the caller holds the lock."""
        if not self._tally.total:
            return
        width = max(shutil.get_terminal_size().columns - 1, 20)
        folder = os.environ.get(FOLDER)
        lines = [fit(self._line(), width)]
        if folder:
            lines += [bar(reading, width) for reading in readings(Path(folder))[:8]]
        self._erase()
        self._out.write("".join(f"{one_line(line)}\n" for line in lines))
        self._out.flush()
        self._drawn = len(lines)

    def _tick(self) -> None:
        while not self._ended.wait(DRAWN):
            self.acquire()
            try:
                self._draw()
            finally:
                self.release()

    def close(self) -> None:
        """Take the live lines away, and repeat what failed and where the whole log is."""
        if not self._ended.is_set():
            self._ended.set()
            self._erase()
            if self._failed:
                self._write(f"\n{len(self._failed)} job{'s' * (len(self._failed) > 1)} failed:")
                for line in list(self._failed.values())[:10]:
                    self._write(f"  {line}")
                self._write("The same command continues where it stopped, once the cause is fixed.")
            if self._failed or self._errors:
                self._write(f"Complete log: {getattr(self, '_log_file', '.snakemake/log')}")
        super().close()
