"""Training through the one loop, fine-tuning, heads, losses, inference."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from builders.tracks import walkers
from builders.tracks import walkers_view as make_view
from torch.nn import functional as F

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.methods.lisbet import method
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.data import LisbetData
from workflow_scripts.methods.lisbet.labels import Head
from workflow_scripts.methods.lisbet.losses import Tally, alignment, head_loss, info_nce, lr_one_cycle, uniformity
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.training.loop import fit
from workflow_scripts.training.weights import load_weights

SMALL = {"preset": "16x2", "window_size": 24, "batch_size": 8, "train_sample": 0.08}
LOOP = {"max_epochs": 2, "monitor": None, "accelerator": "cpu"}


def train(view, folder, seed=0, **options):
    config = Config(**SMALL | {"training": LOOP, "seed": seed} | options)
    torch.manual_seed(seed)
    data, model = method.prepare(view, config), method.build(config, view.spec())
    return data, model, fit(model, data, folder=folder, options=config.training, seed=seed)


def test_a_run_writes_what_the_original_writes(tmp_path):
    view = make_view(tmp_path, [walkers(f"r{k}") for k in range(5)])
    _, model, result = train(view, tmp_path / "run", tasks=["nwp", "smp", "vsp", "dmp"], dev_ratio=0.4, dev_sample=0.1)
    table = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert result.epochs == len(table) == 2
    losses = [f"train_{task}_loss" for task in ("order", "cons", "warp", "shift")]
    np.testing.assert_allclose(table[losses].sum(axis=1), table["train_loss"], rtol=1e-5)
    assert table["val_shift_accuracy_score"].between(0, 1).all()
    history = pd.read_csv(tmp_path / "run" / "training_history.log")
    assert list(history.columns[:6]) == [
        "Unnamed: 0",
        "epoch",
        "nwp_train_accuracy_score",
        "nwp_train_loss",
        "smp_train_accuracy_score",
        "smp_train_loss",
    ]
    assert list(history.columns[10:12]) == ["nwp_dev_accuracy_score", "nwp_dev_loss"]
    assert len(history.columns) == 2 + 2 * 4 * 2
    np.testing.assert_allclose(history["vsp_train_loss"], table["train_warp_loss"], rtol=1e-5)
    state = load_weights(tmp_path / "run" / "weights_last.safetensors")
    assert set(state) == set(model.state_dict())
    assert all(name.startswith(("backbone.", "task_heads.")) for name in state)


def test_the_same_seed_gives_the_same_weights(view, tmp_path):
    first, second, other = (
        train(view, tmp_path / f"{k}", seed=seed)[1].state_dict() for k, seed in enumerate((3, 3, 4))
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_stacked_step_equals_a_pass_per_task(view):
    data = LisbetData(view, Config(**SMALL))
    model = Lisbet(data.config, data.spec)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    stacked = model.losses(batch, "train")
    stacked.backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    parts = torch.split(batch.windows, list(batch.sizes))
    single = sum(
        F.binary_cross_entropy_with_logits(model.task_heads[task](model(part))[:, 0], label)
        for task, part, label in zip(batch.tasks, parts, batch.labels, strict=True)
    )
    single.backward()
    assert stacked.item() == pytest.approx(single.item(), rel=1e-5)
    for mine, parameter in zip(gradients, model.parameters(), strict=True):
        assert torch.allclose(mine, parameter.grad, atol=1e-5)


def test_padding_is_hidden(spec):
    config = Config(**SMALL, frame="arena", seen=False)
    model = Lisbet(config, spec).eval()
    windows, valid = torch.rand(4, 24, 28), torch.ones(4, 24, dtype=torch.bool)
    valid[:, :9] = False
    other = windows.clone()
    other[:, :9] = 99
    with torch.no_grad():
        for head in model.task_heads.values():
            one, two = (head(model(w, valid), valid) for w in (windows, other))
            assert torch.allclose(one, two, atol=1e-5)
        assert model.embed_windows(windows, valid).shape == (4, 32)
        assert torch.allclose(model.embed_windows(windows, valid), model.embed_windows(other, valid), atol=1e-5)
        assert not torch.allclose(model.embed_windows(windows), model.embed_windows(other), atol=1e-3)


@pytest.mark.parametrize("preset", ["lstm", "tcn"])
def test_causal_backbones(spec, preset):
    model = Lisbet(Config(preset=preset, window_size=40, seen=False), spec).eval()
    windows = torch.rand(3, 40, 28)
    later = windows.clone()
    later[:, 30:] = 0
    with torch.no_grad():
        one, two = model(windows), model(later)
    assert one.shape == (3, 40, 32)
    assert torch.allclose(one[:, :30], two[:, :30], atol=1e-6)
    assert not torch.allclose(one[:, 30:], two[:, 30:], atol=1e-3)


def test_the_receptive_field_of_the_tcn_preset(spec):
    model = Lisbet(Config(preset="tcn", window_size=300, seen=False), spec).double().eval()
    windows = torch.rand(1, 300, 28, dtype=torch.float64, requires_grad=True)
    for block in model.backbone.blocks:
        for convolution in (block.conv1, block.conv2):
            torch.nn.init.constant_(convolution.weight, 0.01)
            torch.nn.init.constant_(convolution.bias, 0.1)
    model(windows)[0, -1].sum().backward()
    touched = (windows.grad[0] != 0).any(dim=1)
    assert 300 - int(touched.nonzero()[0]) == 239


def test_fine_tuning_with_frozen_and_free_backbone(view, tmp_path):
    train(view, tmp_path / "pretrained")
    start = load_weights(tmp_path / "pretrained" / "weights_last.safetensors")
    load = {"load_backbone": str(tmp_path / "pretrained" / "weights_last.safetensors")}
    options = load | {"tasks": ["cfc"], "labels": ["behaviour"], "learning_rate": 1e-3}
    _, frozen, _ = train(view, tmp_path / "frozen", freeze_backbone=True, **options)
    _, free, _ = train(view, tmp_path / "free", **options)
    for name, tensor in frozen.state_dict().items():
        if name.startswith("backbone."):
            assert torch.equal(tensor, start[name]), name
    assert any(not torch.equal(free.state_dict()[name], start[name]) for name in start if name.startswith("backbone."))
    probabilities = method.predict(frozen, walkers("new", 50))["behaviour"]
    assert probabilities.shape == (50, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert method.predict(Lisbet(Config(**SMALL), view.spec()), walkers("new", 50)) is None


def test_supervision_learns_and_weighs_classes(tmp_path):
    recordings = [walkers(f"r{k}", 200) for k in range(2)]
    for recording in recordings:  # the first animal's size tells the class
        classes = recording.labels["behaviour"].values
        recording.position[:, 0] *= 1 + 0.5 * classes[:, None, None]
    view = make_view(tmp_path, recordings)
    options = {
        "tasks": ["multiclass"],
        "labels": ["behaviour"],
        "learning_rate": 3e-3,
        "frame": "centred",
        "train_sample": 1.0,
    }
    data, model, _ = train(view, tmp_path / "run", **options, training=LOOP | {"max_epochs": 8})
    counts = np.bincount(np.concatenate([r.labels["behaviour"].values for r in recordings]))
    np.testing.assert_allclose(data.class_weights["multiclass"].numpy(), 400 / (3 * counts), rtol=1e-5)
    table = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert table["train_multiclass_macro_f1_score"].iloc[-1] > 0.8
    assert "seed" not in model.state_dict()


def test_several_supervised_heads(view, tmp_path):
    data, model, _ = train(view, tmp_path / "run", tasks=["multiclass", "multilabel", "shift"], head_input="both")
    assert [head.name for head in model.heads] == ["multiclass_behaviour", "multiclass_near", "multilabel", "shift"]
    found = method.predict(model, walkers("new", 40))
    assert {name: array.shape for name, array in found.items()} == {"behaviour": (40, 3), "near": (40, 2)}
    assert data.class_weights["multilabel"].shape == (1,)
    assert model.task_heads["multilabel"].logits.linear1.weight.shape == (32, 32)


def test_losses_against_their_formulas():
    vectors = F.normalize(torch.randn(12, 5), dim=1)
    expected = 0.0
    for i in range(12):
        others = [j for j in range(12) if j != i]
        similar = torch.stack([vectors[i] @ vectors[j] / 0.07 for j in others])
        expected += float(torch.logsumexp(similar, 0) - vectors[i] @ vectors[(i + 6) % 12] / 0.07) / 12
    assert float(info_nce(vectors, 0.07)) == pytest.approx(expected, rel=1e-4)
    assert float(alignment(torch.cat([vectors, vectors]))) == 0
    first = vectors[:6]
    pairs = [(-2 * (first[i] - first[j]).square().sum()).exp() for i in range(6) for j in range(i + 1, 6)]
    assert float(uniformity(vectors)) == pytest.approx(float(torch.stack(pairs).mean().log()), rel=1e-4)
    head = Head("multilabel", "multilabel", 2, ("a", "b"))
    logits, label = torch.randn(7, 2), torch.randint(0, 2, (7, 2))
    weight = torch.tensor([2.0, 0.5])
    wanted = (weight * F.binary_cross_entropy_with_logits(logits, label.float(), reduction="none")).mean()
    assert torch.allclose(head_loss(head, logits, label, weight, 0.07), wanted)


def test_tallies_equal_sklearn():
    from sklearn.metrics import accuracy_score, f1_score

    rng = np.random.default_rng(0)
    head = Head("multiclass", "multiclass", 4, ("x",))
    tally, truth, said = Tally(head), rng.integers(0, 4, 60), rng.normal(size=(60, 4))
    for part in np.array_split(np.arange(60), 4):
        tally.add(torch.tensor(1.0), torch.from_numpy(said[part]), torch.from_numpy(truth[part]))
    assert float(tally.read()["macro_f1_score"]) == pytest.approx(f1_score(truth, said.argmax(1), average="macro"))
    assert float(tally.windows) == 0
    binary = Tally(Head("shift", "binary", 1))
    label = rng.integers(0, 2, 50)
    logit = rng.normal(size=(50, 1))
    binary.add(torch.tensor(0.5), torch.from_numpy(logit), torch.from_numpy(label))
    read = binary.read()
    assert float(read["accuracy_score"]) == pytest.approx(accuracy_score(label, logit[:, 0] > 0))
    assert float(read["loss"]) == 0.5


def test_one_cycle_ends_at_its_minimum():
    rates = [lr_one_cycle(step, 200) for step in range(201)]
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert rates[0] < 0.1
    assert all(a >= b for a, b in itertools.pairwise(rates[20:]))


def test_another_kind_of_recording_is_refused(spec):
    model = Lisbet(Config(**SMALL), spec)
    changes = [
        ({"fps": 25.0}, "fps"),
        ({"individuals": ("intruder", "resident")}, "individuals"),
        ({"keypoints": tuple(reversed(spec.keypoints))}, "keypoints"),
        ({"keypoints": ("snout", *spec.keypoints[1:])}, "keypoints"),
    ]
    for change, word in changes:
        other = walkers("r", 30)
        for name, value in change.items():
            object.__setattr__(other, name, value)
        with pytest.raises(EthoMakeError, match=word):
            method.embed(model, other)


def test_symmetric_embeddings_ignore_who_is_first(spec):
    model = Lisbet(Config(**SMALL, symmetric=True), spec)
    one = walkers("r", 40)
    two = walkers("r", 40)
    object.__setattr__(two, "position", two.position[:, ::-1].copy())
    np.testing.assert_allclose(method.embed(model, one), method.embed(model, two), atol=1e-4)
    names = method.dimension_names(model)
    assert len(names) == model.dimensions == 32
    assert (names[0], names[16]) == ("token0", "window0")


def test_pretraining_and_fine_tuning_in_one_run(view, tmp_path):
    options = {
        "tasks": ["shift", "warp", "multiclass"],
        "labels": ["behaviour"],
        "pretrain_epochs": 2,
        "finetune_rate": 0.5,
    }
    _, model, _ = train(view, tmp_path / "run", **options, freeze_backbone=True, training=LOOP | {"max_epochs": 3})
    table = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert table["train_multiclass_loss"].notna().tolist() == [False, False, True]
    assert table["train_shift_loss"].notna().tolist() == [True, True, False]
    assert model.config.readout() == "finetuned"
    assert Config(**SMALL).readout() is None
    free = train(view, tmp_path / "free", **options, training=LOOP | {"max_epochs": 3})[1].state_dict()
    alone = {"tasks": ["shift", "warp", "multiclass"], "labels": ["behaviour"], "pretrain_epochs": 2}
    assert any(not torch.equal(free[name], tensor) for name, tensor in model.state_dict().items() if "backbone" in name)
    for wrong in ({"tasks": ["shift"]}, {"pretrain_epochs": 3}):
        with pytest.raises(ValueError, match="pretrain_epochs needs"):
            Config(**SMALL, **alone | wrong, training=LOOP | {"max_epochs": 3})
    recipes = {
        recipe: Config(**SMALL, **alone, recipe=recipe, training=LOOP | {"max_epochs": 3})
        for recipe in ("pretrain", "finetune", "supervised")
    }
    assert recipes["pretrain"].task_ids == ("shift", "warp")
    assert recipes["supervised"].task_ids == ("multiclass",)
    assert [config.border for config in recipes.values()] == [0, 2, 0]
    assert [config.readout() for config in recipes.values()] == [None, "finetuned", "finetuned"]
    with pytest.raises(ValueError, match="leaves none of the tasks"):
        Config(**SMALL, tasks=["shift"], recipe="supervised")
