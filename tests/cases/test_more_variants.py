"""Tables as spreadsheets and scripts leave them, tiers of ELAN, blocks of time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from builders.lab_toy import boris, card, dlc, spans

from workflow_scripts.cards.card import Task, load_card
from workflow_scripts.convert.check import check_dataset
from workflow_scripts.convert.propose import Proposal, Wishes, propose
from workflow_scripts.convert.propose.write import card_yaml, sheet_tsv
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources import read_labels, read_tracks
from workflow_scripts.sources.elan import write_elan

ACT = {"behaviour": Task(vocabulary=["other", "groom", "rear"], background="other")}


def lab(folder: Path, labels: str, frames: int = 120, ending: str = "csv") -> Path:
    """Two recordings, each with the same label file."""
    for name in ("m1", "m2"):
        dlc(folder / f"{name}.csv", frames)
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / f"{name}.{ending}").write_text(labels)
    return folder


def written(made: Proposal, folder: Path) -> list[str]:
    """Write a proposal and check it."""
    (folder / "config").mkdir()
    (folder / "config" / f"{made.card['name']}.yaml").write_text(card_yaml(made))
    (folder / "config" / f"{made.card['name']}.recordings.tsv").write_text(sheet_tsv(made))
    return check_dataset(load_card(folder / "config" / f"{made.card['name']}.yaml"), folder).problems


def named(k: int) -> str:
    return "groom" if 20 <= k < 40 else "rear" if 60 <= k < 65 else "other"


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("frame,behavior\n" + "".join(f"{k},{named(k)}\n" for k in range(120)), 1),
        ("Label\n" + "".join(f"{named(k)}\n" for k in range(120)), 1),
        ("time;class\n" + "".join(f"{k / 10:.1f};{named(3 * k)}\n".replace(".", ",") for k in range(40)), 3),
    ],
)
def test_a_class_by_name_in_every_row(tmp_path: Path, text: str, step: int) -> None:
    made = propose([lab(tmp_path / "lab", text)], Wishes(fps=30))
    assert made.card["tasks"]["behaviour"]["vocabulary"] == ["other", "groom", "rear"]
    assert not written(made, tmp_path)
    options = {"multiclass": "behaviour"}
    path = tmp_path / "lab" / "labels" / "m1.csv"
    found = read_labels("class_table", path, options, n_frames=120, fps=30, tasks=ACT, warn=[])["behaviour"]
    assert spans(found.values == 1) == [(21, 42) if step == 3 else (20, 40)]
    assert found.mask.all()


def test_rows_without_a_class(tmp_path: Path) -> None:
    rows = "".join(f"{k},{'groom' if k < 30 else ''}\n" for k in range(120))
    made = propose([lab(tmp_path / "lab", "frame,label\n" + rows)], Wishes(fps=30))
    assert made.card["labels"][0]["options"]["empty"] == "background"
    assert any("rows without a class are frames without groom" in line for line in made.guessed)
    path = tmp_path / "lab" / "labels" / "m1.csv"
    options = {"multiclass": "behaviour"}
    found = read_labels("class_table", path, options, n_frames=120, fps=30, tasks=ACT, warn=[])["behaviour"]
    assert found.mask.sum() == 30
    path.write_text("frame,label\n0,groom\n1\n")
    with pytest.raises(InputError, match="line 3: has 1 cells, the header 2"):
        read_labels("class_table", path, options, n_frames=120, fps=30, tasks=ACT, warn=[])
    path.write_text("frame,labbel\n0,groom\n")
    with pytest.raises(InputError, match="'behavior' is missing"):
        read_labels("class_table", path, options, n_frames=120, fps=30, tasks=ACT, warn=[])


@pytest.mark.parametrize("comma", [False, True])
def test_deeplabcut_tables_that_a_spreadsheet_saved(tmp_path: Path, comma: bool) -> None:
    path = dlc(tmp_path / "lab" / "m1.csv", 90, add=0.5)
    text = path.read_text().replace(",", ";")
    path.write_text(text.replace(".", ",") if comma else text)
    made = propose([tmp_path / "lab"], Wishes(fps=30))
    assert made.card["keypoints"] == ["nose", "tail"] and not written(made, tmp_path)
    (read,) = read_tracks("deeplabcut", path, {}, recording="m1")
    assert read.position[3, 0, 0].tolist() == [4.5, 5.5]


@pytest.mark.parametrize(
    ("header", "points"),
    [("frame,x,y", ("body",)), ("time,X,Y", ("body",)), ("frame,x_nose,y_nose,x_tail,y_tail", ("nose", "tail"))],
)
def test_axes_come_first_or_alone(tmp_path: Path, header: str, points: tuple[str, ...]) -> None:
    columns = header.count(",")
    rows = "".join(",".join([str(k), *(f"{k + j}" for j in range(columns))]) + "\n" for k in range(90))
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "m1.csv").write_text(f"{header}\n{rows}")
    made = propose([tmp_path / "lab"], Wishes(fps=30))
    assert tuple(made.card["keypoints"]) == points and not written(made, tmp_path)


def test_spreadsheets_and_tables_of_conditions_say_what_to_do(tmp_path: Path) -> None:
    dlc(tmp_path / "m1.csv", 90)
    (tmp_path / "scores.xlsx").write_bytes(b"PK\x03\x04 no archive")
    (tmp_path / "groups.csv").write_text("recording,animal,condition\nm1,a,drug\n")
    left = "\n".join(propose([tmp_path], Wishes(fps=30)).left_out)
    assert "they are spreadsheets; save each as csv: scores.xlsx" in left
    assert "name one as --conditions: groups.csv" in left


def test_tiers_of_elan(tmp_path: Path) -> None:
    """Our own export has a tier a task; others have a tier a behaviour whose annotations are empty or `x`."""
    dlc(tmp_path / "m1.csv", 120)
    write_elan(tmp_path / "m1.eaf", {"act": [Bout(5, 9, "groom")], "near": [Bout(20, 30, "close")]}, 30.0)
    assert list(propose([tmp_path], Wishes(fps=30)).card["tasks"]["behaviour"]["vocabulary"]) == [
        *("other", "groom", "close")
    ]
    write_elan(tmp_path / "m1.eaf", {"groom": [Bout(5, 9, "x")], "rear": [Bout(20, 30, "")]}, 30.0)
    assert propose([tmp_path], Wishes(fps=30)).card["labels"][0]["options"]["tiers_are"] == "behaviours"
    write_elan(tmp_path / "m1.eaf", {"annotations": [Bout(5, 9, "groom")]}, 30.0)
    assert "groom" in propose([tmp_path], Wishes(fps=30)).card["tasks"]


def blocks(folder: Path, frames: int = 1800, seconds: float = 60.0) -> Proposal:
    dlc(folder / "lab" / "m1.csv", frames)
    bouts = [("groom", 2 * k, 2 * k + 1) for k in range(int(seconds // 2))]
    boris(folder / "lab" / "boris" / "m1.csv", bouts, duration=seconds)
    return propose([folder / "lab"])


def test_one_session_is_cut_into_blocks_of_time(tmp_path: Path) -> None:
    made = blocks(tmp_path)
    assert made.card["blocks"] == {"count": 5, "gap_s": 2.0}
    assert made.card["splits"]["fold"]["folds"] == [[f"m1/block{k}"] for k in range(5)]
    assert any("not of new animals" in line for line in made.guessed)
    assert not written(made, tmp_path)
    one = load_card(tmp_path / "config" / f"{made.card['name']}.yaml")
    found = list(convert_shard(one, one.shards[0], tmp_path / "lab"))
    whole: Recording = next(read_tracks("deeplabcut", tmp_path / "lab" / "m1.csv", {}, recording="m1"))
    assert [each.id for each in found] == [each.group for each in found] == [f"m1/block{k}" for k in range(5)]
    for each in found:
        np.testing.assert_array_equal(each.position, whole.position[each.start : each.start + each.n_frames])
        labels = each.labels["groom"].values
        np.testing.assert_array_equal(labels, np.arange(each.start, each.start + each.n_frames) % 60 < 30)
    gaps = [b.start - a.start - a.n_frames for a, b in pairwise(found)]
    assert gaps == [60] * 4 and found[-1].start + found[-1].n_frames == 1800
    assert found[0].warnings[-1] == "m1 is cut into 5 blocks of 10.4 s, 2 s apart"


def test_blocks_that_cannot_be(tmp_path: Path) -> None:
    assert any("cannot be split" in line for line in blocks(tmp_path / "a", 900, 30.0).unknown)
    dlc(tmp_path / "files" / "m1.csv", 200)
    sheet = "recording file\nm1 m1.csv"
    made = card(tmp_path, "fps: 30\nblocks: {count: 6, gap_s: 2}\n", sheet)
    with pytest.raises(InputError, match=r"200 frames, too few for 6 blocks 2 s apart.*lower blocks\.count"):
        list(convert_shard(made, made.shards[0], tmp_path / "files"))
    with pytest.raises(ConfigError, match="blocks cuts tracks"):
        card(tmp_path, "kind: clips\nblocks: {count: 6}\n", sheet)


def test_unlabelled_recordings_have_a_split_in_which_all_train(tmp_path: Path) -> None:
    for name in ("m1", "m2"):
        dlc(tmp_path / "lab" / f"{name}.csv", 120)
    made = propose([tmp_path / "lab"], Wishes(fps=30))
    assert made.card["splits"] == {"official": {"train": []}} and not written(made, tmp_path)
