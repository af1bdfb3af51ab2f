"""What a run has done and what is left, counted from Snakemake's events; no word of the terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

WILDCARDS = ("dataset", "method", "setting", "split", "seed", "shard", "figure", "file")
"""Wildcards that name a job, in the order in which they are shown."""
PLAIN = {"setting": "default", "seed": "0"}
"""Values that are not worth a word."""


def label(rule: str, wildcards: Mapping[str, str]) -> str:
    """Name a job in a few words, e.g. `train calms21_twin lisbet fold0`."""
    words = [str(wildcards[name]) for name in WILDCARDS if name in wildcards and wildcards[name] != PLAIN.get(name)]
    return " ".join([rule, *words])


def duration(seconds: float) -> str:
    """Write a duration with two units at most, e.g. `3 min 20 s`."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@dataclass
class Tally:
    """Counts of one run.

    Parameters
    ----------
    clock : callable
        Seconds from anywhere, for tests.
    """

    clock: Callable[[], float] = time.monotonic
    done: int = 0
    total: int = 0
    todo: Counter[str] = field(default_factory=Counter)
    names: dict[int, str] = field(default_factory=dict)
    rules: dict[int, str] = field(default_factory=dict)
    running: dict[int, float] = field(default_factory=dict)
    spent: dict[str, list[float]] = field(default_factory=dict)
    attempts: Counter[int] = field(default_factory=Counter)
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def plan(self, stats: Mapping[str, object]) -> None:
        """Take the number of jobs by rule, as Snakemake states it before it starts."""
        self.todo = Counter({rule: int(str(count)) for rule, count in stats.items() if rule != "total"})
        self.total = sum(self.todo.values())
        self.began = self.clock()

    def announce(self, job: int, rule: str, wildcards: Mapping[str, str]) -> None:
        """Note a job's name; it is about to start."""
        self.names[job], self.rules[job] = label(rule, wildcards), rule
        self.running.setdefault(job, self.clock())

    def start(self, jobs: Iterable[int]) -> None:
        """Note that jobs run."""
        for job in jobs:
            self.running.setdefault(job, self.clock())

    def finish(self, job: int) -> None:
        """Note that a job is done."""
        began = self.running.pop(job, None)
        rule = self.rules.get(job)
        if began is not None and rule is not None:
            self.spent.setdefault(rule, []).append(self.clock() - began)

    def fail(self, job: int) -> int:
        """Note that a job failed, and return how often it has."""
        self.running.pop(job, None)
        self.attempts[job] += 1
        return self.attempts[job]

    @property
    def elapsed(self) -> float:
        """Seconds since the first job could start."""
        return self.clock() - self.began

    def left(self) -> float | None:
        """Estimate the seconds left; None before anything is known.

        A rule's jobs are taken to last as long as those of it that are done, a rule that has not run as long as the
        mean job, and the jobs beside one another to stay as many as they were on average.
        """
        lasted = [seconds for times in self.spent.values() for seconds in times]
        if len(lasted) < 3 or self.elapsed <= 0:
            return None
        mean = sum(lasted) / len(lasted)
        beside = max(sum(lasted) / self.elapsed, 0.1)
        work = 0.0
        for rule, count in self.todo.items():
            times = self.spent.get(rule, [])
            work += max(count - len(times), 0) * (sum(times) / len(times) if times else mean)
        now = self.clock()
        work -= sum(min(now - began, mean) for began in self.running.values())
        return max(work, 0.0) / beside

    def now(self) -> list[str]:
        """Names of the jobs that run, the one that started first in front."""
        return [self.names[job] for job in sorted(self.running, key=self.running.__getitem__) if job in self.names]
