"""Regular expressions of users: only those whose matching takes a bounded time are accepted.

Python's engine tries alternatives one after another; a repeat inside a repeat, as in ``(a+)+$``, makes their number
grow exponentially with the text. Such patterns are refused when they are read, and so are those with more than three
repeats of variable length: what is left takes at most the cube of the `LONGEST_TEXT` characters that are matched.
"""

from __future__ import annotations

import re
import re._constants as codes  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
import warnings
from typing import Annotated, Any

from pydantic import AfterValidator

LONGEST_PATTERN = 200
LONGEST_TEXT = 200
MOST_REPEATS = 3
MOST_CHOICES = 6

_REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT, getattr(codes, "POSSESSIVE_REPEAT", None)}
_REFUSED = {codes.GROUPREF: "a reference to a group", codes.GROUPREF_EXISTS: "a condition on a group"}


def check_pattern(pattern: str) -> str:
    """Return `pattern`, unless its matching could take for ever.

    Raises
    ------
    ValueError
    """
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a regular expression of at most {LONGEST_PATTERN} characters was expected")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
            tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is no regular expression ({error})") from error
    repeats, choices = _count(tree, inside=False)
    if repeats > MOST_REPEATS or choices > MOST_CHOICES:
        raise ValueError(
            f"a regular expression with at most {MOST_REPEATS} repeats (*, +) and {MOST_CHOICES} choices (?, |) was "
            "expected"
        )
    return pattern


def _count(tree: Any, *, inside: bool) -> tuple[int, int]:
    """Count repeats of variable length, and choices of two; refuse both inside a repeat."""
    repeats = choices = 0
    for code, value in tree:
        parts: list[Any] = []
        within = inside
        if code in _REFUSED:
            raise ValueError(f"a regular expression without {_REFUSED[code]} was expected")
        if code in _REPEATS:
            least, most, body = value
            if inside:
                raise ValueError("a regular expression without a repeat inside a repeat was expected")
            repeats += int(most > max(least, 1))
            choices += int(most > least and most == 1)
            parts, within = [body], most > 1
        elif code is codes.SUBPATTERN:
            parts = [value[3]]
        elif code is codes.BRANCH:
            if inside:
                raise ValueError("a regular expression without alternatives inside a repeat was expected")
            choices += len(value[1]) - 1
            parts = value[1]
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            parts = [value[1]]
        elif getattr(codes, "ATOMIC_GROUP", None) is code:
            parts = [value]
        for part in parts:
            more = _count(part, inside=within)
            repeats, choices = repeats + more[0], choices + more[1]
    return repeats, choices


Pattern = Annotated[str, AfterValidator(check_pattern)]
"""A regular expression in a model of options."""


def match_start(pattern: str, text: str) -> re.Match[str] | None:
    """Match at the start of `text`, of which `LONGEST_TEXT` characters are looked at."""
    return re.match(check_pattern(pattern), text[:LONGEST_TEXT])
