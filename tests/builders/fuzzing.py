"""A small coverage-guided fuzzer: mutations of a valid file that reach new lines become seeds of further mutations."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from workflow_scripts.core.errors import EthoMakeError

PACKAGE = str(Path(__file__).parents[2] / "workflow_scripts")
TOKENS = [b"", b"\0", b"\xff\xfe", b"nan", b"inf", b"-1", b"1e400", b"9" * 21, b'"', b",", b"\n", b"\r", b"[" * 2000]
TOKENS += [b"../../etc", b"=cmd|'/c calc'!A0", b"<script>", b"{}", b"[]", b"null", b"\xe2\x80\xae"]


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Change a file in one to four places."""
    for _ in range(rng.randint(1, 4)):
        place, length = rng.randrange(len(data) + 1), rng.choice([1, 1, 2, 8, 64, 1000])
        kind = rng.randrange(6)
        if kind == 0:
            data = data[:place]
        elif kind == 1:
            data = data[:place] + data[place + length :]
        elif kind == 2:
            data = data[:place] + rng.choice(TOKENS) + data[place:]
        elif kind == 3:
            data = data[:place] + rng.choice(TOKENS) + data[place + length :]
        elif kind == 4:
            data = data[:place] + bytes(rng.randrange(256) for _ in range(min(length, 8))) + data[place + length :]
        else:
            other = rng.randrange(len(data) + 1)
            data = data[:place] + data[other : other + length] + data[place:]
    return data


def lines_reached(work: Callable[[], object]) -> set[tuple[str, int]]:
    """Run and tell which lines of the package it ran; refusals in words are fine, anything else is raised."""
    reached: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        reached.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except EthoMakeError as error:
        assert "\n" not in str(error), f"not one sentence: {error!r}"
    finally:
        sys.settrace(former)
    return reached


def fuzz(data: bytes, read: Callable[[Path], object], path: Path, *, rounds: int, seed: int) -> tuple[int, int]:
    """Mutate a valid file `rounds` times.

    Returns
    -------
    tuple of int
        Lines the valid file reaches, and lines reached in the end.
    """
    rng = random.Random(seed)

    def attempt(content: bytes) -> set[tuple[str, int]]:
        path.write_bytes(content)
        try:
            return lines_reached(lambda: read(path))
        except AssertionError:
            raise
        except Exception as error:
            kept = path.with_name(f"crash{path.suffix}")
            kept.write_bytes(content)
            raise AssertionError(f"{type(error).__name__}: {error} (seed {seed}; the file is {kept})") from error

    seen = attempt(data)
    first, corpus = len(seen), [data]
    for _ in range(rounds):
        content = mutate(rng.choice(corpus), rng)
        if len(content) > 4 * len(data) + 10_000:
            continue
        reached = attempt(content)
        if reached - seen:
            seen |= reached
            corpus.append(content)
    return first, len(seen)
