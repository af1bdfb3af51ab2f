"""Every command of docs/originals.md, run in the order of the page on twins and small files."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from builders.clips import film
from builders.daart import DATA, MODEL, TRAIN, make_flies
from builders.guides import Follower, Guide, guides, write_files
from builders.originals import original_checkpoint, published_app
from builders.tracks import mice, walkers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from workflow_scripts.cards.card import card_path, load_card
from workflow_scripts.core.validation import deep_merge
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.methods.bams.config import Config as BamsConfig
from workflow_scripts.methods.bams.module import Bams
from workflow_scripts.methods.lisbet.config import Config as LisbetConfig
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.original.write import write_original
from workflow_scripts.simulate.rat_direction import Options as RatOptions
from workflow_scripts.simulate.rat_direction import make_frames
from workflow_scripts.sources.lisbet_archive import write_archive
from workflow_scripts.sources.supervisely import videos, write_annotation, write_meta
from workflow_scripts.views.tracks import DataSpec
from workflow_scripts.workflow.workspace import init

PAGE = Path(__file__).parents[2] / "docs" / "originals.md"
GUIDES = guides(PAGE)
LOOP = {"max_epochs": 1}
POINTS = ("nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail")

BAMS = {"batch_size": 2, "short_term": [4, 4], "long_term": [4, 4], "hoa_hidden": [8], "training": LOOP}

SMALLER = {
    "config/experiments/lisbet64x8.yaml": {
        "methods": {"lisbet": {"preset": "16x2", "window_size": 20, "train_sample": 0.1, "training": LOOP}},
        "motifs": {"smallest": 2, "largest": 3},
    },
    "config/experiments/lisbet_classifier.yaml": {
        "methods": {"lisbet": {"preset": "16x2", "window_size": 20, "window_offset": 9, "training": LOOP}}
    },
    "config/experiments/bams.yaml": {"methods": {"bams": BAMS}},
    "config/experiments/bams_custom.yaml": {"methods": {"bams": BAMS}},
    "config/experiments/flies.yaml": {
        "methods": {"daart": {"network": {"n_hid_units": 8}, "sequences": {"sequence_length": 100}, "training": LOOP}}
    },
    "config/datasets/films.yaml": {"splits": {"official": {"hold_out": 1, "validation": 1}}},
    "config/experiments/mice.yaml": {
        "methods": {
            "mvd": {"size": "nano", "image_size": 32, "num_frames": 8, "samples": 8, "batch": 4, "training": LOOP}
        }
    },
    "config/datasets/rats.yaml": {"splits": {"official": {"deal": 2}}},
    "config/experiments/rats.yaml": {
        "methods": {"rat_direction": {"width": 4, "training": {"max_epochs": 1, "batches_per_epoch": 2}}}
    },
}
CLIPS = {"train": 3, "submission": 6, "public": 2, "private": 2, "frames": 200}
TWINS = {
    "calms21_twin": {"simulate": {"options": {"train": 2, "test": 2, "frames": 120}}},
    "mabe22_mouse_twin": {"simulate": {"options": CLIPS}},
    "mabe22_fly_twin": {"simulate": {"options": CLIPS | {"train": 2, "submission": 3, "public": 1, "private": 1}}},
}
REPLACED = {"--size r50 --image-size 640 --epochs 50": "--size tiny --image-size 64 --epochs 1 --every 30"}


def smaller_twins(folder: Path, root: Path) -> None:
    for name, more in TWINS.items():
        card = yaml.safe_load(card_path(root, name).read_text())
        card_path(folder, name).write_text(yaml.safe_dump(deep_merge(card, more), sort_keys=False))


@pytest.fixture
def lab(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.set_num_threads(1)
    init(tmp_path / "lab")
    smaller_twins(tmp_path / "lab", root)
    monkeypatch.chdir(tmp_path / "lab")
    return Path.cwd()


def follow(name: str, lab: Path, monkeypatch: pytest.MonkeyPatch) -> Guide:
    guide = GUIDES[name]
    write_files(guide, lab, SMALLER)
    Follower(guide, monkeypatch, REPLACED).follow()
    return guide


def test_lisbet(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_archive(lab / "records.h5", [walkers(f"group/mouse{k}", 80) for k in range(2)])
    spec = DataSpec.of(replace(walkers("r0", 5), individuals=("resident", "intruder"), keypoints=POINTS, labels={}))
    options = {"mode": "faithful", "preset": "16x2", "window_size": 20}
    write_original(Lisbet(LisbetConfig(**options), spec), lab / "models/lisbet64x8-calms21U-embedder", embedder=True)
    guide = follow("LISBET", lab, monkeypatch)
    assert Path(guide.variables["RUN"], "motifs", "selection.csv").is_file()


def scalars(runs: str) -> set[str]:
    """Names of the scalars that TensorBoard shows of a folder."""
    found: set[str] = set()
    for events in Path(runs).rglob("events.out.tfevents*"):
        accumulator = EventAccumulator(str(events))
        accumulator.Reload()
        found |= set(accumulator.Tags()["scalars"])
    return found


def test_bams(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    walks = np.cumsum(rng.normal(size=(6, 150, 7)), axis=1).astype(np.float32)
    walks[0, :20] = np.nan
    mine = {
        "data": walks[..., :6],
        "annotations": {"strain": np.arange(6) % 2, "speed": np.abs(walks[..., 0])},
        "eval_utils": {
            "classification_tags": ["strain"],
            "regression_tags": ["speed"],
            "sequence_level_dict": {"strain": True, "speed": False},
        },
    }
    for folder in ("arrays", "annotated"):
        (lab / folder).mkdir()
    np.save(lab / "arrays/keypoints.npy", walks)
    np.save(lab / "annotated/mine.npy", mine)  # type: ignore[arg-type]
    shape = {"short_term": [5, 4], "long_term": [6, 3], "hoa_bins": 8}
    model = Bams(BamsConfig(mode="faithful", **shape), DataSpec.of(mice("r0", 5)))
    torch.save(original_checkpoint(model), lab / "bams-mouse-triplet.pt")
    guide = follow("BAMS", lab, monkeypatch)
    assert {"train/hoa_loss", "train/total_loss"} <= scalars(guide.variables["MOUSE"])
    assert "Pooled Score" in Path("results.csv").read_text().partition("\n")[0]
    assert {"strain", "speed"} <= set(pd.read_csv(Path(guide.variables["LABELLED"], "probe.csv"))["task"])


def test_daart(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_flies(lab / "flies", frames=900)
    (lab / "fits").mkdir()
    data = DATA | {"data_dir": str(lab / "flies"), "results_dir": str(lab / "fits")}
    grid = MODEL | {"n_hid_layers": [1, 2], "lambda_pred": [0, 1]}
    for name, content in {"data": data, "model": MODEL, "grid": grid, "train": TRAIN | {"max_epochs": 1}}.items():
        (lab / f"{name}.yaml").write_text(yaml.safe_dump(content))
    guide = follow("daart", lab, monkeypatch)
    version = Path(guide.variables["VERSION"])
    written = {path.name for path in version.iterdir()}
    assert {"fly1_states.npy", "best_val_model.pt", "hparams.yaml", "metrics.csv", "console.log"} <= written
    assert {"train_curves.png", "val_curves.png"} <= written
    assert np.load("states/fly3_states.npy").shape == (900, 6)


def test_mouse_action(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mouse_videos(lab)
    guide = follow("Mouse action recognition", lab, monkeypatch)
    assert Path(guide.variables["RUN"], "weights_best.safetensors").is_file()
    assert {path.name for path in Path("training_data").iterdir()} >= {"train", "test", "clips.csv"}
    assert sorted(path.name for path in Path("training_data/train").iterdir()) == ["Head-Body_TWITCH", "Self-Grooming"]
    assert sorted(videos(Path("predicted_project/supervisely/Mice"))) == ["line1/a", "line1/day 12/a"]
    project = load_card(card_path(lab, "mice"))
    assert [len(shard.labels) for shard in project.shards] == [1, 1]
    scores = pd.read_csv("results/mice/tables/video_scores.csv")
    assert {"precision", "recall", "f1"} <= set(scores.columns)


def mouse_videos(lab: Path) -> None:
    """Videos of the twin's kind, a table of bouts of all of them, a Supervisely project, and published weights."""
    table = ["video,label,start,end"]
    for number, name in enumerate(("day1/a", "day1/b", "day2/c", "day2/d")):
        (lab / "films" / name).parent.mkdir(parents=True, exist_ok=True)
        film(lab / "films" / f"{name}.mp4", number, frames=90, pace=0.4 + 0.3 * number)
        stem = Path(name).name
        # The twitch lies within the grooming.
        table += [f"{stem},Self-Grooming,20,59", f"{stem},Head-Body_TWITCH,30,34"]
    (lab / "films/bouts.csv").write_text("\n".join(table) + "\n")
    (lab / "boxes").mkdir()
    for stem in ("a", "c"):
        rows = [f"{t},{22 + 0.6 * t},32,{38 + 0.6 * t},48" for t in range(90)]
        (lab / f"boxes/{stem}.csv").write_text("frame,x1,y1,x2,y2\n" + "\n".join(rows) + "\n")
    bouts = [Bout(20, 60, "Self-Grooming"), Bout(30, 35, "Head-Body_TWITCH")]
    for dataset in ("line1", "line1/datasets/day 12"):
        folder = lab / "Mice" / dataset
        (folder / "video").mkdir(parents=True)
        shutil.copy(lab / "films/day1/a.mp4", folder / "video/a.mp4")
        write_annotation(folder / "ann/a.mp4.json", bouts, size=(192, 96), n_frames=90)
    write_meta(lab / "Mice", ["Self-Grooming", "Head-Body_TWITCH"])
    published_app(lab)


def test_rat_direction(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = make_frames(RatOptions(frames=48))
    base, neck, head = (frames.points[:, k] for k in range(3))
    (lab / "rats").mkdir()
    np.savez(lab / "rats/frames.npz", images=frames.images, locs_base=base, loclocs_necks=neck, locs_head=head)
    np.savez(lab / "rats/movie.npz", images=frames.images[:20])
    np.save(lab / "stack.npy", frames.images[:12])
    guide = follow("Rat direction", lab, monkeypatch)
    assert Path(guide.variables["RUN"], "training_log.png").is_file()
    assert len(pd.read_csv("tagged/stack/angles.csv")) == 12
    assert scalars("results/rats/runs")
