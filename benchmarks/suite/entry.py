"""What a benchmark consists of, and how it is timed."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Work = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """The work of one entry at one size, ready to run.

    Attributes
    ----------
    size : str
        What is worked on.
    ours, plain, limit : callable
        EthoMake's way; what a competent user would write with a named library; what the machine must do in any case.
        The last two may be absent.
    plain_is, limit_is : str
        What they do.
    """

    size: str
    ours: Work
    plain: Work | None = None
    plain_is: str = ""
    limit: Work | None = None
    limit_is: str = ""


Entry = Callable[[float, Path], Case]
"""Makes the case at a share of its full size, with a folder for files."""


@dataclass(frozen=True)
class Row:
    """Processor seconds, the median over rounds, and ratios, the median of the ratios of each round."""

    entry: str
    size: str
    ours_s: float
    plain_s: float | None
    plain_over_ours: float | None
    limit_s: float | None
    ours_over_limit: float | None
    plain_is: str
    limit_is: str


def seconds(work: Work) -> float:
    """Processor seconds of this process and of those it waits for: other programs change them little."""

    def used() -> float:
        usage = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(part.ru_utime + part.ru_stime for part in usage)

    began, clock = used(), time.process_time()
    work()
    # The finer clock where the work starts no process.
    spent, own = used() - began, time.process_time() - clock
    return own if spent - own < 0.02 else spent


def timed(name: str, case: Case, rounds: int, budget: float = 20.0) -> Row:
    """Run the three in turn, so that a slow moment of the machine meets all of them.

    Parameters
    ----------
    name : str
    case : Case
    rounds : int
        At most. One more goes before them, which warms caches and compilers and is not counted.
    budget : float
        Processor seconds of an entry: no round begins that would exceed them. A first round that takes half of them
        is counted, and the only one; what takes little of it is run once more, warm.
    """
    works = [(key, work) for key in ("ours", "plain", "limit") if (work := getattr(case, key)) is not None]
    found: dict[str, list[float]] = {}
    spent = 0.0
    for number in range(rounds + 1):
        taken = {key: seconds(work) for key, work in works}
        last = sum(taken.values())
        spent += last
        alone = number == 0 and last > budget / 2
        if alone:
            taken |= {key: seconds(work) for key, work in works if taken[key] < budget / 8}
        if number or alone:
            for key, value in taken.items():
                found.setdefault(key, []).append(value)
        if alone or (number and spent + last > budget):
            break

    def median(key: str) -> float | None:
        return statistics.median(found[key]) if key in found else None

    def ratio(over: str, under: str) -> float | None:
        if over not in found or under not in found:
            return None
        return statistics.median(a / max(b, 1e-9) for a, b in zip(found[over], found[under], strict=True))

    return Row(
        name,
        case.size,
        statistics.median(found["ours"]),
        median("plain"),
        ratio("plain", "ours"),
        median("limit"),
        ratio("ours", "limit"),
        case.plain_is,
        case.limit_is,
    )
