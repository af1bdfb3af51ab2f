"""How the files beside this one were written; it runs on commit e66793d alone (version 0.1.0), never on today's code.

    git worktree add /tmp/old e66793d && cd /tmp/old
    PYTHONPATH=/tmp/old python <here>/write.py <folder>

All data are twins, cut to a few frames. MVD's smallest network has 1.3 MB of weights, so all but three in
a thousand of those of its matrices are set to zero before the old code saves them, and the file is compressed.
"""

# ruff: noqa: I001 (the modules it imports are those of the old commit)

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from workflow_scripts.cards import Card, load_card, slugify
from workflow_scripts.config import IntervalConfig, ProbeConfig, validate
from workflow_scripts.detectors.preprocess import preprocess
from workflow_scripts.evaluation.compare import compare, score_run
from workflow_scripts.evaluation.probe import run_probe
from workflow_scripts.evaluation.splits import make_split
from workflow_scripts.formats.clips import open_clips, write_clips
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.images import open_images
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.splits import read_split, write_split
from workflow_scripts.formats.tables import write_table
from workflow_scripts.formats.track_index import index_tracks
from workflow_scripts.formats.tracks import open_tracks, write_tracks
from workflow_scripts.methods import parse, runs
from workflow_scripts.simulate import make_file
from workflow_scripts.sources.clips import index_clips, shard_options
from workflow_scripts.sources.conversion import convert_shard
from workflow_scripts.sources.images import convert_images
from workflow_scripts.training.views import open_view

LOOP = {"max_epochs": 1, "monitor": None, "accelerator": "cpu"}
CONTROLS = ("raw", "features", "pca", "random_init")
RUNS = {
    "raw": ("calms21_twin", {}),
    "features": ("calms21_twin", {"windows_s": [0.2]}),
    "pca": ("calms21_twin", {"window": 3, "dim": 4}),
    "random_init": ("calms21_twin", {"dim": 8, "layers": 1}),
    "lisbet": (
        "calms21_twin",
        {
            "tasks": ["order", "multiclass"],
            "labels": ["behaviour"],
            "preset": "16x2",
            "backbone": {"embedding_dim": 8, "hidden_dim": 8, "num_heads": 2, "num_layers": 1},
            "window_size": 8,
            "batch_size": 8,
            "train_sample": 0.1,
            "pretrain_epochs": 0,
            "training": LOOP,
        },
    ),
    "bams": (
        "calms21_twin",
        {
            "short_term": [4, 4],
            "long_term": [4, 4],
            "hoa_hidden": [4],
            "crop": 50,
            "batch_size": 2,
            "training": LOOP,
        },
    ),
    "daart": (
        "calms21_twin",
        {
            "strong": "behaviour",
            "network": {"n_hid_layers": 1, "n_hid_units": 4, "n_lags": 1},
            "sequences": {"sequence_length": 20, "batch_size": 2, "trial_splits": "1;0;0;0"},
            "training": LOOP,
        },
    ),
    "rat_direction": ("rat_direction_twin", {"width": 4, "draws": 1, "batch": 8, "training": LOOP}),
    "motion_energy": ("mouse_action_twin", {}),
    "mvd": (
        "mouse_action_twin",
        {
            "size": "nano",
            "image_size": 32,
            "patch": 16,
            "num_frames": 4,
            "sampling_rate": 1,
            "batch": 4,
            "samples": 4,
            "training": LOOP,
        },
    ),
}
FILES = {"calms21_twin": "tracks.h5", "rat_direction_twin": "images.h5", "mouse_action_twin": "clips/index.h5"}
SMALL = {
    "calms21_twin": {"train": 2, "test": 2, "frames": 60},
    "rat_direction_twin": {"frames": 8, "movie_frames": 2},
    "mouse_action_twin": {"frames": 50},
}
SPLITS = {"calms21_twin": "official", "rat_direction_twin": "animal0", "mouse_action_twin": "official"}
VIDEOS = ("ada_2", "cyd_1", "dov_1")


def twin(name: str, files: Path) -> Card:
    """Make the twin's files, cut short; return its card."""
    card = load_card(Path("config/datasets") / f"{name}.yaml")
    if card.kind == "clips":
        card = card.model_copy(
            update={
                "shards": [each for each in card.shards if each.id in VIDEOS],
                "options": card.options | {"size": 48},
            }
        )
    for file in card.files:
        if card.kind != "clips" or Path(file.path).stem in VIDEOS:
            make_file(card.simulate.generator, file.path, files / file.path, card.simulate.options | SMALL[name], card)
    return card


def data(card: Card, files: Path, folder: Path) -> None:
    """Write `data/<dataset>/`."""
    target = folder / FILES[card.name]
    shards = [(shard, target.parent / "recordings" / f"{slugify(shard.id)}.h5") for shard in card.shards]
    if card.kind == "tracks":
        for shard, path in shards:
            write_tracks(path, convert_shard(card, shard, files))
        index_tracks(target, [path for _, path in shards])
    elif card.kind == "images":
        convert_images(card, files, target)
    else:
        for shard, path in shards:
            video = target.parent / "crops" / f"{slugify(shard.id)}.mp4"
            options = shard_options(card, shard)
            made = preprocess(files / shard.tracks, options, video, recording=shard.id, group=shard.group, folder=files)
            write_clips(path, [made])
        index_clips(card, [path for _, path in shards], files, target)
        shutil.rmtree(target.parent / "recordings")
    name = SPLITS[card.name]
    write_split(folder / "splits" / f"{name}.json", make_split(target, card, name))


def thin(folder: Path, hparams: dict) -> None:
    """Set most weights of the matrices to zero, and save as the run would."""
    model = runs._restore(hparams, folder / "weights_best.safetensors")
    rng = np.random.default_rng(0)
    for tensor in model.state_dict().values():
        if tensor.ndim > 1:
            kept = torch.from_numpy(rng.random(tuple(tensor.shape)) < 0.003)
            tensor.copy_(torch.where(kept, tensor.sign() * 0.5, torch.zeros_like(tensor)))
    runs.save_weights(folder / "weights_best.safetensors", model)


def main(target: Path) -> None:
    torch.set_num_threads(1)
    expected: dict = {"runs": {}}
    tables = []
    with tempfile.TemporaryDirectory() as place:
        for name in FILES:
            card = twin(name, Path(place) / name)
            data(card, Path(place) / name, target / "data" / name)
    expected["tracks"] = {}
    with open_tracks(target / "data/calms21_twin/tracks.h5") as reader:
        for recording in reader:
            labels = recording.labels["behaviour"]
            expected["tracks"][recording.id] = {
                "sum": float(np.nansum(recording.position, dtype=np.float64)),
                "last": recording.position[-1, -1, -1].tolist(),
                "group": recording.group,
                "fps": recording.fps,
                "counts": np.bincount(labels.values, minlength=len(labels.vocabulary)).tolist(),
                "vocabulary": list(labels.vocabulary),
            }
    with open_images(target / "data/rat_direction_twin/images.h5") as reader:
        images = reader.read()
        expected["images"] = {
            "sum": int(images.images.sum()),
            "points": float(images.points.sum(dtype=np.float64)),
            "names": list(images.names),
            "animals": list(map(str, images.animal)),
        }
    expected["clips"] = {}
    with open_clips(target / "data/mouse_action_twin/clips/index.h5") as reader:
        for recording in reader:
            with recording.open() as video:
                seen = video.frames([0, recording.n_frames - 1])
            expected["clips"][recording.id] = {
                "frames": recording.n_frames,
                "boxes": float(recording.boxes.sum(dtype=np.float64)),
                "motion": float(recording.motion.sum(dtype=np.float64)),
                "pixels": float(seen.astype(np.float64).mean()),
                "clips": len(reader.clips("sound", [recording.id])),
            }
    for method, (dataset, options) in RUNS.items():
        folder = target / "runs" / method
        split = read_split(target / "data" / dataset / "splits" / f"{SPLITS[dataset]}.json")
        view = open_view(target / "data" / dataset / FILES[dataset], split)
        settings = {"mode": "sound", "options": parse(method, options).model_dump(mode="json")}
        with tempfile.TemporaryDirectory() as place:
            run = Path(place)
            runs.train(method, settings, view, folder=run, seed=1)
            if method == "mvd":
                thin(run, runs.read_yaml(run / "hparams.yaml"))
            runs.export_embedder(run)
            runs.embed(run / "embedder", view, run / "embeddings.h5")
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copytree(run / "embedder", folder / "embedder", dirs_exist_ok=True)
            shutil.copy(run / "hparams.yaml", folder)
            with open_embeddings(run / "embeddings.h5") as reader:
                name = sorted(reader.ids)[0]
                first = reader.read(name)
                expected["runs"][method] = {
                    "dataset": dataset,
                    "recording": name,
                    "shape": list(first.shape),
                    "head": first[0].tolist()[:16],
                    "tail": first[-1].tolist()[:16],
                }
            if method in CONTROLS:
                intervals = IntervalConfig(resamples=50)
                run_probe(
                    run / "embeddings.h5",
                    view.path,
                    split,
                    ["behaviour"],
                    validate(ProbeConfig, {}, where="probe"),
                    1,
                    run / "probe.h5",
                )
                row = {"dataset": dataset, "method": method, "mode": "sound", "point": "default", "split": "official"}
                tables.append(folder / "probe.csv")
                write_table(tables[-1], score_run([run / "probe.h5"], intervals, row | {"seed": 1}))
            if method == "lisbet":
                shutil.copy(run / "embeddings.h5", folder)
                runs.predict(run / "embedder", view, ["behaviour"], folder / "predictions.h5", readout="native")
                with open_predictions(folder / "predictions.h5") as reader:
                    found = reader.read("behaviour", reader.recordings("behaviour")[0])
                    expected["predictions"] = {
                        "recording": found.recording,
                        "prediction": found.prediction.tolist(),
                        "truth": found.truth.tolist(),
                        "scores": found.scores[0].tolist(),
                    }
    table = compare(tables, {}, {"calms21_twin": {"behaviour": "macro_f1"}})
    write_table(target / "comparison.csv", table)
    expected["comparison"] = {
        f"{row.method} {row.readout} {row.metric}": row.value for row in table.itertuples() if row.value == row.value
    }
    big = target / "runs/mvd/embedder/model.safetensors"
    Path(f"{big}.gz").write_bytes(gzip.compress(big.read_bytes(), 9, mtime=0))
    big.unlink()
    (target / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
