"""The documentation site as a browser shows it: nothing sticks out of a phone, and axe has no serious finding."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.chromium import AXE, CHROMIUM, Browser

ROOT = Path(__file__).parents[2]
PAGES = (
    "index.html",
    "quickstart.html",
    "tutorials/own_tracks.html",
    "tutorials/conditions.html",
    "reference/metrics.html",
)
pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's Chromium is not installed (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site that `make docs` built a moment ago, where nothing has changed since; else one built here."""
    built = ROOT / "build" / "site"
    sources = [ROOT / "mkdocs.yml", *(path for path in (ROOT / "docs").rglob("*") if path.is_file())]
    newest = max(path.stat().st_mtime for path in sources)
    if (built / "index.html").is_file() and (built / "index.html").stat().st_mtime > newest:
        return built
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.mark.parametrize("page", PAGES)
def test_nothing_sticks_out_of_a_phone(browser: Browser, site: Path, page: str) -> None:
    browser.open(site / page, 360)
    assert browser.ask("document.documentElement.scrollWidth") <= 360


def test_the_search_works_on_a_page_opened_from_a_folder(browser: Browser, site: Path) -> None:
    browser.open(site / "index.html", 1440)
    assert browser.ask("document.querySelector('.md-search__input').getBoundingClientRect().width") > 100
    found = browser.ask(
        "new Promise(done => { const field = document.querySelector('.md-search__input'); field.focus();"
        "field.value = 'skeleton'; field.dispatchEvent(new Event('input', { bubbles: true }));"
        "field.dispatchEvent(new KeyboardEvent('keyup', { bubbles: true })); let n = 0;"
        "(function look() { const found = document.querySelectorAll('.md-search-result__item').length;"
        "if (found || n++ > 600) done(found); else setTimeout(look, 50); })(); })"
    )
    assert found > 0
    assert browser.complaints() == []


@pytest.mark.skipif(
    AXE is None, reason="axe-core is not installed (npm install --prefix DIR axe-core; ETHOMAKE_AXE=DIR)"
)
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_nothing_serious_on_the_site(browser: Browser, site: Path, page: str, dark: bool, width: int) -> None:
    assert AXE is not None
    browser.open(site / page, width, dark=dark)
    browser.ask(AXE.read_text() + "; 0")
    found = browser.ask(
        "axe.run(document, { resultTypes: ['violations'] }).then(r => r.violations"
        ".filter(v => v.impact === 'serious' || v.impact === 'critical')"
        ".map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 200)]))"
    )
    assert found == []
