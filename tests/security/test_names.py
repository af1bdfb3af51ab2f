"""Names become file names one to one, and none of them is a formula, a line or half a character."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.core.names import LONGEST, normal, plain_cell, slugify, why_no_name
from workflow_scripts.core.patterns import check_pattern, match_start
from workflow_scripts.core.redact import redact


@pytest.mark.parametrize("name", ["train", "mouse001_task1", "2019_06_26_fly2", "a.b-c", "a" * LONGEST, "A--b"])
def test_a_safe_name_stays(name: str) -> None:
    assert slugify(name) == name


@given(
    st.lists(st.text(alphabet="ab/- .日本\u0301é", min_size=1, max_size=6), unique_by=normal, min_size=2, max_size=40)
)
def test_two_names_have_two_files(names: list[str]) -> None:
    slugs = [slugify(name) for name in names]
    assert len(set(slugs)) == len(slugs)


@given(st.text(min_size=1))
def test_a_slug_is_a_file_name(name: str) -> None:
    slug = slugify(name)
    assert slug.isascii()
    assert all(character.isalnum() or character in "._-" for character in slug)
    assert not slug.startswith((".", "-"))
    assert len(slug) <= LONGEST
    assert slugify(unicodedata.normalize("NFD", name)) == slug


def test_the_name_of_a_slug_is_not_its_own() -> None:
    assert slugify(slugify("a/b")) != slugify("a/b")


@pytest.mark.parametrize(
    "name", ["", "  ", "a\nb", "a\x07", "\ud800", "a\u2028b", "=1+1", "@SUM(1)", "+1", "-2+3", "a" * 501]
)
def test_names_that_are_refused(name: str) -> None:
    assert why_no_name(name)


@pytest.mark.parametrize("name", ["nose", "left ear", "-1", "マウス", "a=b", "mouse+1", "<b>", "{x}", "naïve"])
def test_names_that_are_fine(name: str) -> None:
    assert not why_no_name(name)


def test_cells() -> None:
    assert plain_cell("=cmd|' /C calc'!A0").startswith("'=")
    assert plain_cell("attack") == "attack"
    assert plain_cell("-1") == "-1"


@pytest.mark.parametrize(
    "text",
    [
        "https://me:hunter2@host/x.csv",
        "https://host/x.csv?token=hunter2",
        "https://host/x?X-Amz-Signature=hunter2&download=1",
        "see http://me:hunter2@host:80/a?b=c#access_token=hunter2, please",
        "https://host/x?hunter2hunter2hunter2hunter2",
        "s3://hunter2:hunter2@bucket/x",
    ],
)
def test_credentials_are_hidden(text: str) -> None:
    assert "hunter2" not in redact(text)
    assert "host" in redact(text) or "bucket" in redact(text)


@pytest.mark.parametrize(
    "text", ["https://zenodo.org/records/1/files/a.csv?download=1", "a: b", "x@y.org", "file:///a b"]
)
def test_public_addresses_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*", "(a?){30}b", "a*a*a*a*b", r"(\w)\1", "(", "a?" * 20 + "a" * 20]
)
def test_slow_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", [r"mouse\d+", "([a-z]+)_", "(.*)/task", "(?:x|y)_(.+?)-"])
def test_usual_patterns_are_taken(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


def test_a_pattern_on_a_long_name_is_quick() -> None:
    assert match_start("a*a*a*b", "a" * 100_000) is None
