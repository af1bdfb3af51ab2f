"""Errors meant for the person at the keyboard: one sentence, never a traceback."""

from __future__ import annotations

from pathlib import Path

from workflow_scripts.core.redact import redact


class EthoMakeError(Exception):
    """Anything a user can fix; stages and the CLI print it as one line and exit with status 1."""

    def __init__(self, message: str) -> None:
        # Sentences end in a full stop, and some of them in a question (`did you mean …?`).
        super().__init__(redact(message.replace("?.", "?")))


def one_line(text: str) -> str:
    """Return a text without line breaks and other control characters, which would forge lines of a log."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.splitlines()))


LONGEST = 1200
"""Characters of a problem in words; one that lists thousands of columns helps nobody."""


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 3 :]}"


class InputError(EthoMakeError):
    """An input file (or an entry in it) that cannot be used.

    Parameters
    ----------
    path : str or Path
        The file at fault.
    problem : str
        Where in the file, what was found, and what was expected, e.g.
        ``"line 4: expected columns x, y, likelihood, found x, likelihood, y"``.
    remedy : str
        What the user can do, as an imperative clause without a full stop.
    """

    def __init__(self, path: str | Path, problem: str, remedy: str) -> None:
        self.path = str(path)
        self.problem = _shortened(one_line(problem))  # it may quote the file
        self.remedy = remedy
        super().__init__(f"{one_line(self.path)}: {self.problem}; {remedy}.")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path, self.problem, self.remedy)


class EmptyRecordingError(InputError):
    """A recording in which nothing was ever seen: nothing can be learnt or predicted of it."""


class ConfigError(EthoMakeError):
    """A configuration that is refused before the graph is built."""


class LeakError(EthoMakeError):
    """A split that puts one group, or one recording's content, on both sides."""
