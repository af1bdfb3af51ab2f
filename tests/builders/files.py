"""Files of others: the real recordings where they are at hand, and what their refusals must say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import ConfigError, InputError

ROOT = Path(__file__).parents[2]


def real(*parts: str) -> Path:
    """A file of the real recordings, or a skip that says why."""
    folders = [Path(p) for p in os.environ.get("ETHOMAKE_MIRRORS", "").split(os.pathsep) if p]
    for folder in [*folders, ROOT.parent / "shared" / "data"]:
        path = folder.joinpath(*parts)
        if path.is_file():
            return path
    pytest.skip(f"the real recording {'/'.join(parts)} is not here (set ETHOMAKE_MIRRORS)")


def refusal(error: type[InputError] | type[ConfigError], *words: str):
    """Expect one sentence that holds all the words."""
    return _Refusal(error, words)


class _Refusal:
    def __init__(self, error, words):
        self.error, self.words = error, words

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        assert kind is not None, f"nothing was refused; expected {self.error.__name__} with {self.words}"
        if not issubclass(kind, self.error):
            return False
        text = str(value)
        assert text.endswith((".", "?")), text
        assert "\n" not in text
        for word in self.words:
            assert word in text, f"{word!r} is not in: {text}"
        return True


MULTI = {"m": Task(vocabulary=["other", "chase", "bite"], background="other")}
BINARY = {"chasing": Task(kind="binary"), "biting": Task(kind="binary", vocabulary=["no", "yes"])}
