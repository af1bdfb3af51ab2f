"""BAMS beside the published one (commit ecbdc68, mouse triplets)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from builders.parity import extract, parity

from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Recording, write_tracks
from workflow_scripts.methods import runs
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.data import BamsData
from workflow_scripts.methods.bams.features import MOUSE_POINTS, Layout, compute
from workflow_scripts.methods.bams.hoa import emd, released_target, weighted_mean
from workflow_scripts.methods.bams.method import build, embed_individuals, import_run
from workflow_scripts.methods.bams.network import LONG, SHORT
from workflow_scripts.methods.bams.statistics import quantise
from workflow_scripts.views.tracks import DataSpec, TrackView

FAITHFUL = Config(mode="faithful").resolved()


def track(keypoints: np.ndarray, name: str = "clip") -> Recording:
    """A recording from pixels (time, individual, keypoint, 2); (0, 0) = missing."""
    position = keypoints.astype(np.float32)
    position[(position == 0).all(-1)] = np.nan
    return Recording(
        id=name,
        position=position,
        confidence=np.where(np.isnan(position).any(-1), np.nan, 1).astype(np.float32),
        fps=30.0,
        individuals=tuple(f"mouse{k + 1}" for k in range(position.shape[1])),
        keypoints=MOUSE_POINTS,
        group=name,
    )


def test_extract_of_a_mouse_whose_paw_meets_its_back():
    kept = extract("bams_mouse")
    recording = track(np.array(kept["keypoints"]).reshape(-1, 1, 12, 2))
    found = compute(recording.position, Layout.of(DataSpec.of(recording), FAITHFUL), FAITHFUL)
    settled = slice(3, None)  # the first frames hang on those before the extract
    np.testing.assert_allclose(found.inputs[settled, 0], np.array(kept["inputs"])[settled], rtol=1e-6, atol=1e-6)
    targets = np.array(kept["targets"])[settled]
    np.testing.assert_allclose(found.targets[settled, 0], targets, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found.ignore[settled, 0], np.array(kept["ignored"], bool)[settled])
    edges = np.stack([np.linspace(*pair, 31) for pair in kept["percentiles"]]).astype(np.float32)
    bins = quantise(found.targets[settled, 0], edges)
    np.testing.assert_array_equal(bins, np.array(kept["bins"])[settled])
    assert (np.abs(targets[:, 1] - np.pi / 4) < 1e-12).any()  # values on the edge of a bin are among them


@pytest.fixture(scope="module")
def published():
    folder = parity("bams")
    with np.load(folder / "published.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}, folder / "random_weights.pt"


@pytest.fixture(scope="module")
def clips(published, tmp_path_factory):
    """Two recordings of three mice, and the training data made of them."""
    path = tmp_path_factory.mktemp("bams") / "tracks.h5"
    keypoints = published[0]["keypoints"]
    recordings = [track(keypoints[first : first + 3].transpose(1, 0, 2, 3), f"clip{first}") for first in (0, 3)]
    write_tracks(path, recordings)
    ids = [recording.id for recording in recordings]
    return recordings, TrackView(path, Split("mice", "official", "official", ids, [], [], {name: name for name in ids}))


def test_inputs_bins_and_scales(published, clips):
    numbers, _ = published
    store = BamsData(clips[1], FAITHFUL).train_dataloader().store
    shape = numbers["bins"].shape[:2]
    np.testing.assert_allclose(store.inputs.reshape(*shape, -1), numbers["normalised"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(store.bins.reshape(*shape, -1), numbers["bins"])
    np.testing.assert_array_equal(store.valid.reshape(shape), ~numbers["ignored"])
    for k, recording in enumerate(clips[0]):
        found = compute(recording.position, Layout.of(DataSpec.of(recording), FAITHFUL), FAITHFUL)
        mice = slice(3 * k, 3 * k + 3)
        np.testing.assert_allclose(found.inputs.transpose(1, 0, 2), numbers["inputs"][mice], rtol=0, atol=1e-6)
        np.testing.assert_allclose(found.targets.transpose(1, 0, 2), numbers["targets"][mice], rtol=0, atol=1e-9)


def test_the_released_loss(published, clips):
    numbers, _ = published
    data = BamsData(clips[1], FAITHFUL)
    (batch,) = data.train_dataloader()
    assert batch.frames.tolist() == list(range(1800))  # the weights fall on the first frames, too
    torch.manual_seed(1)
    logits = torch.randn(6, 1800, 288).unflatten(-1, (9, 32))
    bins, ignored = torch.from_numpy(numbers["bins"]), torch.from_numpy(numbers["ignored"])
    cdf, weight = released_target(bins, ~ignored, 30, 32, FAITHFUL.skipped("mouse"))
    assert abs(float(weighted_mean(emd(cdf, logits), weight)) - float(numbers["hoa_loss"])) < 1e-6


@pytest.mark.parametrize("mode", ["faithful", "sound"])
def test_embeddings_of_given_weights(published, clips, mode):
    numbers, weights = published
    config = Config(mode=mode, weights=str(weights))
    data = BamsData(clips[1], config)
    model = build(config, data.spec)
    model.setup("fit")
    model.keep(data.statistics)
    for k, recording in enumerate(clips[0]):
        latents, _ = embed_individuals(model, recording)
        both = np.concatenate([numbers[name][3 * k : 3 * k + 3] for name in (SHORT, LONG)], axis=-1)
        np.testing.assert_allclose(latents, both, rtol=0, atol=1e-5)
    if mode == "faithful":
        with torch.inference_mode():
            inputs = torch.from_numpy(numbers["normalised"][:1])
            seen = torch.cat([*model.eval().encode(inputs).values(), inputs], dim=-1)
            logits = model.predictor(seen)[0].numpy()
        np.testing.assert_allclose(logits, numbers["hoa_logits_first"], rtol=0, atol=1e-5)


def test_a_run_imported_from_the_checkpoint_embeds_as_published(published, clips, tmp_path):
    """Without training, from the file to pooled embeddings, and to the submission's z-scores over the clips."""
    numbers, weights = published
    import_run(weights, tmp_path / "run", {}, data=clips[1].path)
    runs.embed(tmp_path / "run" / "embedder", clips[1], tmp_path / "embeddings.h5")
    with open_embeddings(tmp_path / "embeddings.h5") as reader:
        ours = np.stack([reader.read(recording.id) for recording in clips[0]])
    both = np.concatenate([numbers[SHORT], numbers[LONG]], axis=-1).reshape(2, 3, 1800, 64)
    pooled = np.concatenate([both.mean(1), both.max(1) - both.min(1)], axis=-1)
    np.testing.assert_allclose(ours, pooled, rtol=0, atol=1e-5)
    assert np.corrcoef(ours.ravel(), pooled.ravel())[0, 1] > 0.999999
