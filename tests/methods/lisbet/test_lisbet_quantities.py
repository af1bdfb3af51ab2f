"""Hand quantities beside the coordinates, the summary head, and what is hidden from which task."""

import dataclasses

import numpy as np
import pytest
import torch
from builders.tracks import walkers
from builders.tracks import walkers_view as make_view

from workflow_scripts.kinematics.body_roles import body_length, find_roles
from workflow_scripts.kinematics.quantities import measure
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.data import LisbetData
from workflow_scripts.methods.lisbet.inference import embed_recording, predict_recording
from workflow_scripts.methods.lisbet.inputs import Layout, measure_individuals, prepare_recording
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.network import SummaryHead, moments
from workflow_scripts.views.tracks import DataSpec

SMALL = {
    "tasks": ["order", "cons", "shift", "multiclass"],
    "labels": ["behaviour"],
    "preset": "16x2",
    "window_size": 24,
    "window_offset": 12,
    "batch_size": 8,
    "augmentation": "all_perm_id:p=1.0",
}


def settled(**other):
    return Config(**SMALL | other).resolved()


def swapped(recording):
    return dataclasses.replace(
        recording, position=recording.position[:, ::-1].copy(), confidence=recording.confidence[:, ::-1].copy()
    )


def test_symmetric_quantities_do_not_ask_who_is_who():
    one = walkers("r0", 80, missing=0.1)
    config = settled(quantities="symmetric")
    np.testing.assert_allclose(measure_individuals(one, config), measure_individuals(swapped(one), config), atol=1e-6)
    named = settled(quantities="named")
    there, back = measure_individuals(one, named), measure_individuals(swapped(one), named)
    np.testing.assert_allclose(there, back[:, ::-1], atol=1e-6)
    assert np.abs(there - back).max() > 0.1


def test_named_quantities_are_those_of_the_features():
    one = walkers("r0", 60)
    roles = find_roles(one.keypoints, settled().roles)
    found = measure(one, roles, body_length(one.position, roles), smooth_s=0.2, contact=0.2, near=1.0)
    table = measure_individuals(one, settled(quantities="named"))
    np.testing.assert_allclose(table[:, 1, 0], next(iter(found.single.values()))[:, 1], rtol=1e-5)
    facing = len(found.single) + len(found.pair)
    np.testing.assert_allclose(table[:, 0, facing], found.directed["facing"][:, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("individuals", [1, 2, 3])
def test_the_layout_counts_them(individuals):
    one = walkers("r0", 40, individuals=individuals, missing=0.3)
    for kind in ("symmetric", "named"):
        config = settled(tasks=["warp"], labels=[], quantities=kind, fps_scaling=4)
        layout = Layout.of(DataSpec.of(one), config)
        values = prepare_recording(one, config)
        assert values.shape[1:] == (individuals, layout.block)
        assert np.isfinite(values).all()
        columns = layout.quantity_columns()
        flat = torch.from_numpy(values).flatten(1)
        np.testing.assert_array_equal(
            flat[:, columns].reshape(len(values), individuals, -1), values[..., layout.tracked :]
        )


def test_hidden_where_they_tell_the_answer(tmp_path):
    view = make_view(tmp_path, [walkers(f"r{k}", 200) for k in range(3)])
    data = LisbetData(view, Config(**SMALL, quantities="symmetric"))
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    columns = data.layout.quantity_columns()
    parts = dict(zip(batch.tasks, torch.split(batch.windows, list(batch.sizes)), strict=True))
    assert not parts["cons"][..., columns].any()
    assert not parts["shift"][..., columns].any()
    assert parts["order"][..., columns].any()
    assert parts["multiclass"][..., columns].any()


def test_permuting_animals_leaves_symmetric_quantities_alone(tmp_path):
    view = make_view(tmp_path, [walkers(f"r{k}", 200) for k in range(3)])

    def window(augmentation, quantities):
        given = SMALL | {"augmentation": augmentation, "quantities": quantities, "tasks": ["multiclass"]}
        data = LisbetData(view, Config(**given))
        batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
        return batch.windows[..., data.layout.quantity_columns()]

    assert torch.equal(window("", "symmetric"), window("all_perm_id:p=1.0", "symmetric"))
    assert not torch.equal(window("", "named"), window("all_perm_id:p=1.0", "named"))


def test_moments_leave_padding_out():
    values = torch.tensor([[[9.0], [1.0], [3.0]]])
    mean, deviation = moments(values, torch.tensor([[False, True, True]]))
    assert (mean.item(), deviation.item()) == (2.0, 1.0)
    assert moments(values[:, 1:], None)[0].item() == 2.0


def test_the_summary_head_sees_the_inputs_alone():
    torch.manual_seed(0)
    head = SummaryHead(4, 3, 2, None, -3, dropout=0.0).eval()
    encoded, windows = torch.zeros(5, 8, 4), torch.randn(5, 8, 3)
    assert head(encoded, None, windows).std(dim=0).min() > 0


def test_train_embed_and_predict_with_both_orders(tmp_path):
    recordings = [walkers(f"r{k}", 120, missing=0.05) for k in range(2)]
    view = make_view(tmp_path, recordings)
    config = Config(
        **SMALL, quantities="symmetric", head_input="summary", symmetric=True, backbone={"dropout": 0.2}, fps_scaling=2
    )
    data, model = LisbetData(view, config), Lisbet(config, view.spec())
    step = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    loss = model.losses(step, "train")
    loss.backward()
    assert torch.isfinite(loss)
    embedded = embed_recording(model, recordings[0])
    assert np.isfinite(embedded).all()
    np.testing.assert_allclose(embedded, embed_recording(model, swapped(recordings[0])), atol=1e-4)
    said = predict_recording(model, recordings[0])["behaviour"]
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
