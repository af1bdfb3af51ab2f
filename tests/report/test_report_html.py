from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.report import HOSTILE

from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.sections import Item, Section, write_section
from workflow_scripts.formats.tables import COLUMNS
from workflow_scripts.report import sections
from workflow_scripts.report.data import DatasetSection, ExamplePrediction, LeakAudit, Quarantined, ReportData
from workflow_scripts.report.html import render, write_report
from workflow_scripts.report.learnt import curves, kind_of
from workflow_scripts.report.packed import unpacked
from workflow_scripts.report.sections import LARGEST_FILE, load

VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}


class Page(HTMLParser):
    """Elements with their attributes, the text inside each kind, and the nesting checked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.stack: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert len(attrs) == len(dict(attrs)), f"{tag} has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack and self.stack[-1] == tag, f"</{tag}> closes {self.stack[-1:]}"
        self.stack.pop()

    def handle_data(self, data):
        self.texts.append((self.stack[-1] if self.stack else "", data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, *tags):
        return "".join(data for tag, data in self.texts if not tags or tag in tags)


def test_the_page_is_well_formed(page: Path) -> None:
    parsed = Page(page.read_text())
    assert parsed.stack == []
    assert parsed.all("html")[0]["lang"] == "en"
    assert Counter(tag for tag, _ in parsed.elements)["main"] == 1
    assert any(link.get("class") == "skip" and link["href"] == "#main" for link in parsed.all("a"))


def test_it_needs_nothing_from_outside(page: Path) -> None:
    text = page.read_text()
    for tag, attributes in Page(text).elements:
        for name in ("src", "href", "xlink:href", "action", "srcset", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:application/gzip;", "data:image/")), (tag, name, value)
    ours = re.sub(r'<script id="plotly".*?</script>', "", text, flags=re.DOTALL)
    assert "@import" not in ours
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", ours))


def test_ids_are_unique_and_references_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    parsed = Page(text)
    ids = Counter(attributes["id"] for _, attributes in parsed.elements if "id" in attributes)
    assert max(ids.values()) == 1
    wanted = {attributes["href"][1:] for _, attributes in parsed.elements if attributes.get("href", "").startswith("#")}
    wanted |= {attributes["aria-labelledby"] for _, attributes in parsed.elements if "aria-labelledby" in attributes}
    ours = re.sub(r'<script id="plotly".*?</script>', "", text, flags=re.DOTALL)
    wanted |= set(re.findall(r"url\(#([^)]*)\)", ours))
    assert len(wanted) > 10
    assert wanted <= set(ids)


def test_pictures_are_in_words_and_tables_have_captions(page: Path) -> None:
    parsed = Page(page.read_text())
    drawn = parsed.all("svg")
    assert len(drawn) > 10
    assert all(p.get("role") == "img" and p.get("aria-label") for p in drawn)
    plots = [a for a in parsed.all("div") if "plotly" in (a.get("class") or "").split()]
    assert plots and all(p.get("role") == "group" and p.get("aria-label") for p in plots)  # they have buttons inside
    assert parsed.all("img") and all(p.get("alt") for p in parsed.all("img"))
    assert len(parsed.all("table")) == len(parsed.all("caption")) > 5
    assert {cell.get("scope") for cell in parsed.all("th")} == {"row", "col"}
    # A box that scrolls must be reachable by keyboard and say what it is.
    boxes = [a for _, a in parsed.elements if "scroll" in (a.get("class") or "").split()]
    assert boxes and all(box["tabindex"] == "0" and box["aria-label"] for box in boxes)


def test_only_our_script_may_run(page: Path) -> None:
    text = page.read_text()
    plotly, pictures, script = re.findall(r"<script[^>]*>(.*?)</script>", text, flags=re.DOTALL)
    plotly = unpacked(plotly)
    assert json.loads(unpacked(pictures))["rats_pairs"]["films"]
    assert text.count('type="text/plain"') == 2  # data, which a browser does not run
    ours = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (script, plotly)]
    policy = next(m for m in Page(text).all("meta") if m.get("http-equiv"))["content"]
    assert f"script-src 'sha256-{ours[0]}' 'sha256-{ours[1]}';" in policy
    assert "default-src 'none'" in policy


def test_names_from_users_stay_text(hostile_page: Path) -> None:
    text = hostile_page.read_text()
    parsed = Page(text)
    assert text.count("<script") == 3 == text.count("</script")
    assert not any(name.startswith("on") for _, attributes in parsed.elements for name in attributes)
    # It is there to be read: in headings, tables, sentences, in figures, and in what is spoken of them.
    for tag in ("title", "h1", "h2", "td", "th", "strong", "li", "text", "pre", "figcaption"):
        assert "<script>alert(1)" in parsed.text(tag), tag
    assert any(HOSTILE in (a.get("aria-label") or "") for a in parsed.all("svg"))
    assert any(a.get("data-name") == HOSTILE for a in parsed.all("path"))


def test_the_same_data_give_the_same_bytes(report_data: ReportData, page: Path, tmp_path: Path) -> None:
    write_report(report_data, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.html"]


def test_downloads_hold_the_table(report_data: ReportData, page: Path) -> None:
    links = {a["download"]: a["href"] for a in Page(page.read_text()).all("a") if "download" in a}
    text = unpacked(links["comparison.csv.gz"].split(",", 1)[1])
    table = pd.read_csv(io.StringIO(text))
    assert list(table.columns) == COLUMNS
    np.testing.assert_allclose(table["value"], report_data.comparison["value"].astype(float), rtol=1e-9)
    assert "rats_pairs-S1.csv.gz" in links and "rats_pairs-quality.csv.gz" in links


def test_trouble_is_counted_at_the_top_and_told_at_the_end(report_data: ReportData, page: Path) -> None:
    text = page.read_text()
    summary = text[text.index('<section id="summary"') : text.index('<section id="dataset0"')]
    top, end = summary[: summary.index('class="hero"')], summary[summary.index('<h3 id="warnings"') :]
    for words in ("1 quarantined", "1 row of failed runs", "1 warning", "1 note"):
        assert f">{words}</a>" in top
    for words in ("Quarantined: 1", "line 4: expected columns", "Rows of failed runs: 1", "12 frames longer"):
        assert words in end
    assert "failed: the loss became NaN." in end
    leaky = LeakAudit(4, pd.DataFrame({"split": ["fold0"], "group": ["animal 7"]}))
    leaking = render(dataclasses.replace(report_data, leaks=leaky, examples=(), confusions=()))
    assert "leak audit failed" in leaking[: leaking.index('class="hero"')]
    assert "Leaks between training and test data" in leaking and "animal 7" in leaking


def test_the_first_screen_is_a_heat_map_and_a_picture_of_the_data(page: Path) -> None:
    text = page.read_text()
    hero = text[text.index('<figure class="heat">') : text.index('<h3 id="numbers"')]
    assert text.index("S1 of rats_pairs: macro F1") < text.index("<h3")
    spoken = re.findall(r'<a href="#(dataset\d-task\d)" aria-label="([^"]*)"', hero)
    assert {link for link, _ in spoken} == {"dataset0-task0", "dataset0-task1", "dataset1-task0"}
    best = next(words for _, words in spoken if words.startswith("Features on S1"))
    assert "best chance row" in best and "best method of this task" in best
    assert hero.count('class="best"') == 3
    assert '<svg class="scene"' in hero and 'aria-label="Trajectories and one pose of rats_pairs"' in hero
    assert text.index('class="lead"') < text.index('class="heat"')


def test_no_dataset_vanishes(report_data: ReportData) -> None:
    lost = (Quarantined("flies", "7", "the file is empty."),)
    text = render(dataclasses.replace(report_data, datasets=(), quarantined=lost, examples=(), confusions=()))
    navigation = text[text.index("<nav") : text.index("</nav")]
    for name in ("rats_pairs", "rats_pairs_twin", "flies"):
        assert f">{name}</a>" in navigation


def test_chance_rows_are_marked_and_single_folds_left_out_of_the_task_table(page: Path) -> None:
    text = page.read_text()
    assert re.search(r'<tr class="chance">\s*<th scope="row" data-sort="[^"]*">prior \(chance\)</th>', text)
    tables = re.findall(r"<table.*?</table>", text, flags=re.DOTALL)
    (task,) = [table for table in tables if "rats_pairs, S1: held-out results" in table]
    (every,) = [table for table in tables if "rats_pairs: every result row" in table]
    assert task.count(">features") == 1 and "fold0" not in task
    assert "<tbody>\n      </tbody>" in every  # the page fills it from the download
    download = re.search(r'href="data:application/gzip;base64,([^"]*)" download="rats_pairs.csv.gz"', text)
    assert download is not None and "fold0" in unpacked(download[1])
    assert 'class="best"' in task and "mvd" in task


def test_tables_of_sections_have_the_decimals_and_titles_of_the_others() -> None:
    frame = pd.DataFrame({"pc1": [0.5], "experiment_day": [39.0], "p": [0.01], "images": [200], "half": ["x"]})
    made = sections.table(pd.concat([frame] * 201), "All points.", "points.csv")
    assert [name for name, _ in made.columns] == ["PC1", "experiment_day", "p", "Images", "Half"]
    assert [cell.text for cell in made.rows[0].cells] == ["0.500", "39.000", "0.010", "200", "x"]
    assert made.caption == "All points (the first 200 of 201 rows; the download has all)."


def test_unverified_published_numbers_say_so(page: Path) -> None:
    assert "0.71 (not verified)" in page.read_text()


def test_an_empty_experiment_has_a_report() -> None:
    text = render(ReportData("empty", {}, pd.DataFrame(columns=COLUMNS)))
    parsed = Page(text)
    assert "No run has a result yet." in text
    assert "No warnings, nothing quarantined." in text
    assert parsed.stack == []


def test_a_page_without_labels_says_that_nothing_is_scored() -> None:
    section = DatasetSection("flies", "Flies", "", "none", "", (), twin=False, tasks=(), recordings=())
    text = render(ReportData("empty", {}, pd.DataFrame(columns=COLUMNS), datasets=(section,)))
    assert "Nothing is labelled, so nothing is scored." in text
    assert "No run has a result yet." not in text


def test_one_seed_of_a_continuous_task(report_data: ReportData) -> None:
    row = {"dataset": "flies", "method": "pca", "task": "speed", "metric": "mse", "value": 0.3, "low": 0.2, "high": 0.4}
    table = pd.DataFrame([{**row, "readout": "probe", "split": "official", "seed": 0, "n": 10, "n_groups": 2}])
    text = render(ReportData("flies", {}, table.reindex(columns=COLUMNS)))
    assert "MSE 0.30 [0.20, 0.40]" in text and "lower is better" in text
    assert "There is no chance row to compare with." in text


@pytest.mark.parametrize("frames", [1, 2])
def test_very_short_recordings(frames: int) -> None:
    row = {"dataset": "d", "method": "pca", "task": "t", "metric": "macro_f1", "value": 0.5, "split": "official"}
    example = ExamplePrediction("d", "t", "r", ("a", "b"), np.full(frames, -1), {"pca": np.zeros(frames, int)}, 30.0)
    table = pd.DataFrame([row]).reindex(columns=COLUMNS)
    text = render(ReportData("short", {}, table, examples=(example,)))
    assert 'aria-label="human labels: no labels"' in text and 'aria-label="pca: a 100 %"' in text


def test_sections_of_systems_stand_where_they_say(page: Path) -> None:
    text = page.read_text()
    tabs = {part.split('"', 1)[0]: part for part in text.split('<section id="')[1:]}
    assert "Gallery" in text[text.index("<nav") : text.index("</nav")]
    assert "A paragraph." in tabs["section0-tab"] and "data:image/webp;base64," in tabs["section0-tab"]
    assert "Beside the rest." in tabs["dataset0"]
    methods = [part for name, part in tabs.items() if name.startswith("method") and "More still" in part]
    assert len(methods) == 1 and "pca" in methods[0]


def test_a_section_that_cannot_be_shown_is_one_sentence(tmp_path: Path) -> None:
    place = tmp_path / "odd" / "section.json"

    def refuse(words: str, **item) -> None:
        write_section(place, Section(title="Odd", items=[Item(**item)]))
        with pytest.raises(InputError, match=words):
            load([place])

    refuse("'gone.csv', which is not there", kind="table", file="gone.csv")
    (place.parent / "a.csv").write_text("x,y\n1,2\n")
    refuse(r"lacks the columns \['z'\]", kind="plot", file="a.csv", x="x", y="z")
    refuse("is no video a browser shows; use one of .mp4, .webm", kind="video", file="a.csv")
    (place.parent / "big.png").write_bytes(bytes(LARGEST_FILE + 1))
    write_section(place, Section(title="Odd", items=[Item(kind="image", file="big.png")]))
    (kind, media), *_ = load([place])[0].blocks
    assert kind == "media" and media.uri == "" and media.path == "sections/odd/big.png"


def test_tests_ranks_and_published_numbers_are_shown(page: Path) -> None:
    text = page.read_text()
    summary = text[: text.index('<section id="dataset0"')]
    assert "features reached the highest macro F1 of 3 methods, 0.700 over 6 held-out groups" in summary
    assert "Mean ranks over the datasets" in summary
    dataset = text[text.index('<section id="dataset0"') : text.index('<section id="dataset1"')]
    for words in (
        "Paired tests: 6",
        "Rank of each method",
        "0.610 (not verified)",
        "Bouts.",
        "Mean ranks over the tasks",
    ):
        assert words in dataset, words
    parsed = Page(text)
    names = [a["download"] for a in parsed.all("a") if "download" in a]
    assert {"rats_pairs-S1-tests.csv.gz", "rats_pairs-published.csv.gz", "pca-published.csv.gz", "ranks.csv.gz"} <= set(
        names
    )


def test_pictures_come_before_tables_and_tables_before_prose(page: Path) -> None:
    text = page.read_text()
    task = text[text.index('<article id="dataset0-task0"') : text.index('<article id="dataset0-task1"')]
    order = [
        'class="ethogram"',
        "F1 by class and method",
        "Confusion",
        "Label efficiency",
        "held-out results",
        "S1 of rats",
    ]
    places = [task.index(words) for words in order[:-1]]
    assert places == sorted(places)
    dataset = text[text.index('<section id="dataset0"') : text.index('<section id="dataset1"')]
    assert dataset.index("Embedding maps") < dataset.index(
        "Labels by class" if "Labels by class" in dataset else "labels by class"
    )
    assert dataset.index("labels by class") < dataset.index("About this dataset") < dataset.index("Warnings and notes")


def test_losses_and_scores_have_plots_of_their_own() -> None:
    assert [kind_of(name) for name in ("train_loss", "val_score", "train_cons_accuracy_score", "val_mse")] == [
        "losses", "scores", "scores", "errors",
    ]  # fmt: skip
    run = {"dataset": "d", "method": "m", "mode": "sound", "setting": "default", "split": "official", "seed": 0}
    rows = [{**run, "series": name, "epoch": k, "value": k} for name in ("train_loss", "val_score") for k in (1, 2)]
    captions = [plot.caption for _, plot in curves(pd.DataFrame(rows), "m")]
    assert ["losses" in captions[0], "scores" in captions[1], len(captions)] == [True, True, 2]
