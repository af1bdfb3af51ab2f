"""Files of earlier versions load for ever: each was written by that version's own code (`write.py` beside the files).

`expected.json` holds what that code read from them. A change that breaks a test here breaks people's files: teach the
reader the older layout, and never write the files anew.
"""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from workflow_scripts import methods
from workflow_scripts.core.files import read_yaml
from workflow_scripts.formats.clips import open_clips
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.images import open_images
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.splits import read_split
from workflow_scripts.formats.tables import read_table
from workflow_scripts.formats.tracks import open_tracks
from workflow_scripts.methods.runs import embed, load_embedder
from workflow_scripts.training.buffers import Buffers
from workflow_scripts.views.registry import open_view

VERSIONS = sorted(path.parent for path in Path(__file__).parent.glob("*/expected.json"))
EXPECTED = {folder.name: json.loads((folder / "expected.json").read_text()) for folder in VERSIONS}
RUNS = [(folder.name, method) for folder in VERSIONS for method in EXPECTED[folder.name]["runs"]]
FILES = {"tracks": "tracks.h5", "images": "images.h5", "clips": "clips/index.h5"}


@pytest.fixture(params=VERSIONS, ids=lambda folder: folder.name)
def frozen(request: pytest.FixtureRequest) -> tuple[Path, dict[str, Any]]:
    return request.param, EXPECTED[request.param.name]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files with what is compressed unpacked; a copy, so that nothing can touch the frozen ones."""
    made = {}
    for folder in VERSIONS:
        made[folder.name] = tmp_path_factory.mktemp("frozen") / folder.name
        shutil.copytree(folder, made[folder.name])
        for packed in made[folder.name].rglob("*.gz"):
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    return made


def test_the_set_stays_small(frozen: tuple[Path, dict[str, Any]]) -> None:
    assert sum(path.stat().st_size for path in frozen[0].rglob("*") if path.is_file()) < 400_000


def test_tracks(frozen: tuple[Path, dict[str, Any]]) -> None:
    folder, expected = frozen
    with open_tracks(folder / "data/calms21_twin/tracks.h5") as reader:
        assert set(reader.ids) == set(expected["tracks"])
        for recording in reader:
            said = expected["tracks"][recording.id]
            labels = recording.labels["behaviour"]
            assert recording.position.dtype == np.float32
            assert float(np.nansum(recording.position, dtype=np.float64)) == pytest.approx(said["sum"], rel=1e-12)
            assert recording.position[-1, -1, -1].tolist() == said["last"]
            assert (recording.group, recording.fps) == (said["group"], said["fps"])
            assert list(labels.vocabulary) == said["vocabulary"]
            assert np.bincount(labels.values, minlength=len(labels.vocabulary)).tolist() == said["counts"]


def test_images(frozen: tuple[Path, dict[str, Any]]) -> None:
    folder, expected = frozen
    with open_images(folder / "data/rat_direction_twin/images.h5") as reader:
        images = reader.read()
    said = expected["images"]
    assert int(images.images.sum()) == said["sum"]
    assert float(images.points.sum(dtype=np.float64)) == pytest.approx(said["points"], rel=1e-12)
    assert (list(images.names), list(map(str, images.animal))) == (said["names"], said["animals"])


def test_clips(frozen: tuple[Path, dict[str, Any]]) -> None:
    folder, expected = frozen
    with open_clips(folder / "data/mouse_action_twin/clips/index.h5") as reader:
        assert set(reader.ids) == set(expected["clips"])
        for recording in reader:
            said = expected["clips"][recording.id]
            with recording.open() as video:
                pixels = video.frames([0, recording.n_frames - 1]).astype(np.float64).mean()
            assert recording.n_frames == said["frames"]
            assert float(recording.boxes.sum(dtype=np.float64)) == pytest.approx(said["boxes"], rel=1e-12)
            assert float(recording.motion.sum(dtype=np.float64)) == pytest.approx(said["motion"], rel=1e-12)
            assert pixels == pytest.approx(said["pixels"], abs=0.5)  # decoders may round a pixel otherwise
            assert len(reader.clips("sound", [recording.id])) == said["clips"]


def test_splits(frozen: tuple[Path, dict[str, Any]]) -> None:
    paths = sorted(frozen[0].glob("data/*/splits/*.json"))
    assert len(paths) == 3
    for path in paths:
        split = read_split(path)
        assert split.dataset == path.parts[-3]
        assert split.name == path.stem
        assert split.train
        assert split.test
        assert {*split.train, *split.validation, *split.test} <= set(split.groups)


def test_predictions_and_embeddings(frozen: tuple[Path, dict[str, Any]]) -> None:
    folder, expected = frozen
    said = expected["predictions"]
    with open_predictions(folder / "runs/lisbet/predictions.h5") as reader:
        found = reader.read("behaviour", said["recording"])
    assert found.prediction.tolist() == said["prediction"]
    assert found.truth.tolist() == said["truth"]
    assert found.scores is not None
    assert found.scores[0].tolist() == said["scores"]
    said = expected["runs"]["lisbet"]
    with open_embeddings(folder / "runs/lisbet/embeddings.h5") as reader:
        rows = reader.read(said["recording"])
    assert list(rows.shape) == said["shape"]
    assert rows[0].tolist()[:16] == said["head"]


def test_tables(frozen: tuple[Path, dict[str, Any]]) -> None:
    folder, expected = frozen
    table = read_table(folder / "comparison.csv")
    found = {f"{row.method} {row.readout} {row.metric}": row.value for row in table.itertuples()}
    assert {name: value for name, value in found.items() if value == value} == expected["comparison"]


@pytest.mark.parametrize(("version", "method"), RUNS)
def test_hparams_are_valid_options(version: str, method: str) -> None:
    """What an older run was trained with can be given to today's method; one that was renamed is still known."""
    hparams = read_yaml(Path(__file__).parent / version / "runs" / method / "hparams.yaml")
    assert hparams["method"] == method
    assert methods.parse(method, hparams["options"])


@pytest.mark.parametrize(("version", "method"), RUNS)
def test_embedders_compute_what_they_computed(
    version: str, method: str, copies: dict[str, Path], tmp_path: Path
) -> None:
    said = EXPECTED[version]["runs"][method]
    data = copies[version] / "data" / said["dataset"]
    split = read_split(next((data / "splits").iterdir()))
    view = open_view(data / FILES[methods.config_model(method).kind], split)
    folder = copies[version] / "runs" / method / "embedder"
    model, _ = load_embedder(folder)
    assert isinstance(model, torch.nn.Module | Buffers)
    embed(folder, view, tmp_path / "embeddings.h5")
    with open_embeddings(tmp_path / "embeddings.h5") as reader:
        rows = reader.read(said["recording"])
    assert list(rows.shape) == said["shape"]
    # Sums may be taken in another order by another release of a library.
    np.testing.assert_allclose(rows[0][:16], said["head"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rows[-1][:16], said["tail"], rtol=1e-4, atol=1e-5)
