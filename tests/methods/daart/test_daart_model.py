import dataclasses

import numpy as np
import pytest
import torch
from builders import daart as parity
from pydantic import ValidationError
from torch.nn.functional import cross_entropy, mse_loss

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Labels, Recording, write_tracks
from workflow_scripts.methods import runs
from workflow_scripts.methods.daart import method
from workflow_scripts.methods.daart.config import Config, LossOptions, NetworkOptions, SequenceOptions
from workflow_scripts.methods.daart.inputs import column_names, columns
from workflow_scripts.methods.daart.losses import Batch, loss_sums
from workflow_scripts.methods.daart.module import Segmenter, SequenceData
from workflow_scripts.methods.daart.network import Network
from workflow_scripts.methods.daart.original import read_original, write_original
from workflow_scripts.methods.daart.sequences import Batches, SequenceStore, Signals, split_sequences
from workflow_scripts.training.loop import fit
from workflow_scripts.training.options import LoopOptions
from workflow_scripts.views.tracks import TrackView

BACKBONES = ["temporal-mlp", "dtcn", "lstm", "gru"]


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("backbone", "strong", "with_predictor"),
    [("dtcn", 33254, 66534), ("temporal-mlp", 6950, 9590), ("lstm", 40166, 83190), ("gru", 30694, 63222)],
)
def test_parameter_counts_are_the_originals(backbone, strong, with_predictor):
    options = NetworkOptions(backbone=backbone)
    assert count(Network(16, 6, options)) == strong
    assert count(Network(16, 6, options, predictor=True)) == with_predictor


def test_pads():
    pads = {(b, n): NetworkOptions(backbone=b, n_hid_layers=n).pad for b in BACKBONES for n in (1, 2)}
    assert pads["dtcn", 2] == 24 and pads["dtcn", 1] == 8
    assert pads["temporal-mlp", 2] == 4 and pads["lstm", 2] == pads["gru", 1] == 4


@pytest.mark.parametrize("backbone", ["temporal-mlp", "dtcn"])
def test_the_padding_is_all_that_the_encoder_sees(backbone):
    torch.manual_seed(0)
    network = Network(3, 2, NetworkOptions(backbone=backbone)).eval()
    pad = network.pad
    x = torch.randn(1, 2 * pad + 1, 3)
    at = network.encode(x)[0][0, pad]
    wider = torch.cat([torch.randn(1, 9, 3), x, torch.randn(1, 9, 3)], dim=1)
    torch.testing.assert_close(network.encode(wider)[0][0, pad + 9], at)
    changed = x.clone()
    changed[0, 0] += 1
    assert not torch.allclose(network.encode(changed)[0][0, pad], at)


def batch(labels, weak=None, valid=None, targets=None, n=4):
    labels = torch.tensor([labels])
    time = labels.shape[1]
    return Batch(
        torch.randn(1, time, n),
        labels,
        torch.full_like(labels, -1) if weak is None else torch.tensor([weak]),
        torch.full((1, time, 1), torch.nan) if targets is None else torch.tensor([targets])[..., None],
        torch.ones(1, time, dtype=torch.bool) if valid is None else torch.tensor([valid]),
    )


def test_losses_are_torchs_on_the_frames_that_count():
    torch.manual_seed(0)
    network = Network(4, 3, NetworkOptions(), strong=True, weak=True, predictor=True, targets=1).eval()
    made = batch(
        [0, -1, 2, 1, -1], [1, 2, -1, 0, 1], [True, True, True, True, False], [0.5, float("nan"), 1.0, 2.0, 3.0]
    )
    output, weights = network(made.x), torch.tensor([1.0, 2.0, 0.5])
    found = {name: float((total / n).detach()) for name, (total, n) in loss_sums(output, made, weights).items()}
    strong = cross_entropy(output.strong[0], made.strong[0], weight=weights, ignore_index=-1)
    weak = cross_entropy(output.weak[0, [1, 4]], torch.tensor([2, 1]), weight=weights)
    assert found["strong"] == pytest.approx(float(strong.detach()), rel=1e-5)
    assert found["weak"] == pytest.approx(float(weak.detach()), rel=1e-5)
    assert found["pred"] == pytest.approx(float(mse_loss(output.prediction[0, :3], made.x[0, 1:4]).detach()), rel=1e-5)
    known = torch.tensor([0, 2, 3])
    assert found["task"] == pytest.approx(
        float(mse_loss(output.task[0, known], made.targets[0, known]).detach()), rel=1e-5
    )


def test_a_batch_without_a_label_gives_zero_and_finite_gradients():
    network = Network(4, 3, NetworkOptions(), strong=True, weak=True)
    sums = loss_sums(network(torch.randn(1, 5, 4)), batch([-1] * 5), torch.ones(3))
    total = sum(value / n.clamp(min=1e-8) for value, n in sums.values())
    assert float(total.detach()) == 0
    total.backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in network.parameters())


def signals(n, name="a", inputs=3, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, inputs)).astype(np.float32) + 1
    return Signals(name, x, rng.integers(0, classes, n), np.full(n, -1), np.empty((n, 0), np.float32))


@pytest.mark.parametrize("lengths", [[1], [7, 10, 23], [10, 20]])
def test_sequences_hold_every_frame_once(lengths):
    made = [signals(n, str(k), seed=k) for k, n in enumerate(lengths)]
    store = SequenceStore(made, 10, 4)
    whole = store.batch(np.arange(len(store)))
    assert whole.x.shape == (len(store), 18, 3)
    assert int(whole.valid.sum()) == sum(lengths)
    kept = torch.cat([whole.x[row][whole.valid[row]] for row in range(len(store))])
    np.testing.assert_array_equal(kept.numpy(), np.concatenate([s.x for s in made]))
    labels = torch.cat([whole.strong[row][whole.valid[row]] for row in range(len(store))])
    np.testing.assert_array_equal(labels.numpy(), np.concatenate([s.strong for s in made]))
    assert (whole.strong[~whole.valid] == -1).all()


def test_padding_holds_the_neighbours_and_zeros_beyond_the_ends():
    made = [signals(25), signals(12, "b", seed=1)]
    rows = SequenceStore(made, 10, 4).batch(np.arange(5)).x.numpy()
    np.testing.assert_array_equal(rows[1, :4], made[0].x[6:10])
    np.testing.assert_array_equal(rows[1, -4:], made[0].x[20:24])
    assert not rows[0, :4].any() and not rows[2, 9:].any() and not rows[3, :4].any()


@pytest.mark.parametrize(
    ("shares", "n"), [((9, 1, 0, 0), 90), ((8, 1, 1, 0), 23), ((4, 2, 2, 1), 40), ((9, 1, 1, 1), 5)]
)
def test_splits_keep_their_shares_and_gaps(shares, n):
    for seed in range(20):
        kinds = split_sequences(n, shares, np.random.default_rng(seed))
        assert (kinds == 0).any()
        assert all((kinds == code).any() == (share > 0) for code, share in ((1, shares[1]), (2, shares[2])))
        if n > sum(shares) + 2 * shares[3]:
            blocks = n // (sum(shares[:3]) + shares[3] * sum(bool(s) for s in shares))
            assert (kinds == 1).sum() <= n / sum(shares[:2]) * shares[1] + shares[1]
            assert (kinds == 1).sum() >= min(1, blocks)
        for at in np.flatnonzero(kinds > 0):
            near = kinds[max(at - shares[3], 0) : at + shares[3] + 1]
            assert (near != 0).all() if shares[3] else True


def test_batches_hang_on_seed_and_epoch_alone():
    store = SequenceStore([signals(200)], 10, 0)
    loader = Batches(store, np.arange(20), 6, seed=3)
    first = [b.x for b in loader]
    assert [len(x) for x in first] == [6, 6, 6, 2]
    assert all(torch.equal(a, b.x) for a, b in zip(first, loader, strict=True))
    loader.set_epoch(1)
    assert not all(torch.equal(a, b.x) for a, b in zip(first, loader, strict=True))


def segmenter(backbone="dtcn", inputs=3, classes=2, **loss):
    torch.manual_seed(1)
    return Segmenter(
        inputs, classes, network=NetworkOptions(backbone=backbone), loss=LossOptions(**loss), learning_rate=1e-3,
        sequence_length=50,
    )  # fmt: skip


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("n", [1, 3, 120])
def test_a_prediction_has_a_row_for_every_frame(backbone, n):
    found = segmenter(backbone).probabilities(signals(n).x)
    assert found.shape == (n, 2)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(n))


def test_pieces_leave_no_seam(monkeypatch):
    model, x = segmenter(), signals(300).x
    whole = model.encode(x)
    monkeypatch.setattr("workflow_scripts.methods.daart.module.PIECE", 64)
    torch.testing.assert_close(model.encode(x), whole, atol=1e-5, rtol=1e-4)


def test_variational_predictions_repeat_and_training_draws():
    model = Segmenter(3, 2, network=NetworkOptions(variational=True), loss=LossOptions(), learning_rate=1e-3)
    x = signals(40).x
    assert torch.equal(model.encode(x), model.encode(x))
    assert not torch.equal(model.encode(x, noisy=True), model.encode(x, noisy=True))


def trained(tmp_path, train, *, epochs, network=None, loss=None, sequences=None, lr=1e-3, seed=0, scale=False, **loop):
    network, loss = NetworkOptions(**(network or {})), LossOptions(**{"weight_classes": False, **(loss or {})})
    classes = 1 + max(int(s.strong.max()) for s in train)
    data = SequenceData(
        train,
        [],
        options=SequenceOptions(**(sequences or {})),
        network=network,
        classes=classes,
        seed=seed,
        scale=scale,
    )
    torch.manual_seed(seed)
    model = Segmenter(train[0].x.shape[1], classes, network=network, loss=loss, learning_rate=lr)
    options = LoopOptions(
        **{"max_epochs": epochs, "accelerator": "cpu", "monitor": None, "checkpoint_every": 99, **loop}
    )
    return model, fit(model, data, folder=tmp_path, options=options, seed=seed), data


@pytest.mark.parametrize(
    ("backbone", "epochs", "lr", "size"),
    [
        ("temporal-mlp", 20, 1e-3, 2),
        ("dtcn", 30, 1e-3, 2),
        ("lstm", 20, 1e-3, 2),
        pytest.param("gru", 10, 5e-3, 8, marks=pytest.mark.slow),
    ],
)
def test_parity_fixture(tmp_path, backbone, epochs, lr, size):
    a, b, c = parity.recordings()
    model, _, _ = trained(
        tmp_path, [a, b], epochs=epochs, network={"backbone": backbone}, lr=lr, sequences={"batch_size": size}
    )
    found = model.probabilities(c.x).argmax(dim=-1).numpy()
    assert parity.macro_f1(c.strong[:5000], found[:5000]) >= 0.99


def sparse(recordings, keep=0.02, seed=0):
    rng = np.random.default_rng(seed)
    return [dataclasses.replace(r, strong=np.where(rng.random(len(r.strong)) < keep, r.strong, -1)) for r in recordings]


@pytest.mark.parametrize("algo", ["none", "pseudo_labels", "ups"])
def test_all_losses_stay_finite_with_sparse_labels(tmp_path, algo):
    train = sparse(parity.recordings((1500, 1300, 100))[:2], keep=0.004)
    loss = {"lambda_weak": 1, "lambda_pred": 1, "semi_supervised_algo": algo, "anneal_start": 1, "anneal_end": 3}
    loss["prob_threshold"] = 0.3
    model, _, data = trained(
        tmp_path, train, epochs=4, loss=loss, sequences={"sequence_length": 100}, monitor="val_macro_f1", mode="max"
    )
    table = runs.pd.read_csv(tmp_path / "metrics.csv")
    assert np.isfinite(table.to_numpy()).all()
    assert {"train_loss_weak", "train_loss_pred", "val_macro_f1", "val_loss_strong"} <= set(table.columns)
    if algo != "none":
        known = np.concatenate([r.weak for r in train])
        made = torch.cat([data.store.weak[where] for where in data.store.slices]).numpy()
        assert (made >= 0).any() and not np.array_equal(made, known)
        assert [model.loss.weak_weight(epoch) for epoch in range(4)] == [0, 0, 0.5, 1]


def test_weak_labels_help_where_hand_labels_are_few(tmp_path):
    recordings = parity.recordings((3000, 3000, 3000))
    train, test = sparse(recordings[:2], keep=0.003), recordings[2]
    scores = {}
    for name, loss in (("strong", {}), ("weak", {"lambda_weak": 1})):
        model, _, _ = trained(tmp_path / name, train, epochs=20, loss=loss, sequences={"sequence_length": 250})
        scores[name] = parity.macro_f1(test.strong, model.probabilities(test.x).argmax(dim=-1).numpy())
    assert scores["weak"] > scores["strong"] + 0.04


def test_class_weights_and_the_scale_come_from_the_training_sequences(tmp_path):
    made = signals(400)
    made = dataclasses.replace(made, strong=np.where(np.arange(400) % 4 == 0, 1, 0))
    model, _, data = trained(tmp_path, [made], epochs=1, loss={"weight_classes": True}, scale=True)
    rows = data.store.batch(data.rows["train"])
    assert model.class_weights.tolist() == pytest.approx([1.0, float(data.counts[0] / data.counts[1])])
    torch.testing.assert_close(rows.x[rows.valid].mean(dim=0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(model.centre, torch.from_numpy(made.x).mean(dim=0), atol=0.2, rtol=0)


def test_no_label_at_all_is_a_sentence(tmp_path):
    made = dataclasses.replace(signals(100), strong=np.full(100, -1))
    with pytest.raises(EthoMakeError, match="Not one training frame is labelled by hand"):
        model = segmenter()
        data = SequenceData([made], [], options=SequenceOptions(), network=NetworkOptions(), classes=2, seed=0)
        fit(model, data, folder=tmp_path, options=LoopOptions(max_epochs=1, monitor=None), seed=0)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("variational", [False, True])
def test_original_checkpoints_go_both_ways(tmp_path, backbone, variational):
    network = NetworkOptions(backbone=backbone, variational=variational, n_lags=3, n_hid_units=8, activations="first")
    loss = LossOptions(lambda_weak=1, lambda_pred=1)
    model = Segmenter(5, 4, network=network, loss=loss, learning_rate=1e-3)
    write_original(tmp_path / "best_val_model.pt", model.state_dict(), network)
    stored = torch.load(tmp_path / "best_val_model.pt", weights_only=True)
    assert "model.classifier.dense(classification)_layer_00.weight" in stored
    if backbone == "dtcn":
        assert torch.equal(
            stored["model.encoder.model.tcn_block_00.conv0.weight_v"],
            stored["model.encoder.model.tcn_block_00.block.conv1d_layer_0.weight_v"],
        )
    state, options = read_original(tmp_path / "best_val_model.pt")
    assert (options.backbone, options.n_hid_units, options.n_hid_layers) == (backbone, 8, 2)
    other = Segmenter(5, 4, network=options, loss=loss, learning_rate=1e-3)
    other.load_state_dict(state, strict=True)
    x = signals(30, inputs=5).x
    torch.testing.assert_close(other.probabilities(x), model.probabilities(x))
    stored["model.strange"] = torch.zeros(1)
    torch.save(stored, tmp_path / "strange.pt")
    with pytest.raises(InputError, match=r"unknown tensor 'model\.strange'"):
        method.import_weights(tmp_path / "strange.pt")


def recording(name, n, seed, labelled=True):
    rng = np.random.default_rng(seed)
    codes = (np.arange(n) // 40) % 2
    swing = np.where(codes, 8.0, 0.5)[:, None] * np.sin(np.arange(n)[:, None] * 0.9 + np.arange(3))
    position = 50 * np.arange(3)[:, None] + swing[:, None, :, None] + rng.standard_normal((n, 1, 3, 2))
    position[rng.random((n, 1, 3)) < 0.05] = np.nan
    labels = Labels(codes.astype(np.int16), np.full(n, labelled), "frame", "multiclass", ("still", "walk"))
    return Recording(
        id=name,
        position=position.astype(np.float32),
        confidence=rng.random((n, 1, 3)).astype(np.float32),
        fps=30.0,
        individuals=("a",),
        keypoints=("nose", "body", "tail"),
        group=name,
        labels={"behaviour": labels},
    )


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    path = tmp_path_factory.mktemp("tracks") / "tracks.h5"
    write_tracks(path, [recording("a", 900, 0), recording("b", 777, 1), recording("c", 33, 2)])
    split = Split("toy", "official", "official", ["a"], ["b"], ["c"], {"a": "a", "b": "b", "c": "c"})
    return TrackView(path, split)


OPTIONS = {
    "velocity": True,
    "likelihood": True,
    "normalise": "global",
    "coordinates": "egocentric",
    "sequences": {"sequence_length": 100},
    "learning_rate": 3e-3,
    "training": {"max_epochs": 8, "monitor": "val_macro_f1", "mode": "max", "accelerator": "cpu"},
}


def test_the_five_functions_through_the_runs(view, tmp_path):
    runs.train("daart", {"mode": "sound", "options": OPTIONS}, view, folder=tmp_path, seed=1)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"hparams.yaml", "metrics.csv", "weights_best.safetensors", "train_curves.png", "model_card.md"} <= names
    runs.export_embedder(tmp_path)
    model, config = runs.load_embedder(tmp_path / "embedder")
    assert len(config["dimensions"]) == 32
    held = recording("c", 33, 2)
    embedded, found = method.embed(model, held), method.predict(model, held)["behaviour"]
    assert embedded.shape == (33, 32) and embedded.dtype == np.float32 and np.isfinite(embedded).all()
    assert found.shape == (33, 2)
    assert float(runs.pd.read_csv(tmp_path / "metrics.csv").val_macro_f1.max()) > 0.8
    assert float(model.scale.min()) > 0 and not torch.equal(model.scale, torch.ones_like(model.scale))


def test_the_same_seed_gives_the_same_weights(view, tmp_path):
    quick = OPTIONS | {"training": OPTIONS["training"] | {"max_epochs": 1}}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        runs.train("daart", {"mode": "sound", "options": quick}, view, folder=tmp_path / name, seed=seed)
    one, two, other = ((tmp_path / name / "weights_last.safetensors").read_bytes() for name in "abc")
    assert one == two and one != other


def test_missing_labels_are_reported_before_training(view, tmp_path):
    with pytest.raises(ConfigError, match="no task 'behavior'; did you mean 'behaviour'"):
        method.prepare(view, Config(strong="behavior"))
    path = tmp_path / "tracks.h5"
    write_tracks(path, [recording("a", 900, 0), recording("b", 300, 1, labelled=False)])
    split = Split("toy", "official", "official", ["a"], ["b"], [], {"a": "a", "b": "b"})
    with pytest.raises(ConfigError, match="no validation frame of split 'official' is labelled by hand"):
        method.prepare(TrackView(path, split), Config())


def test_quantities_as_inputs_do_not_feel_place_or_scale(view):
    """Speeds in body lengths: the same animal filmed from elsewhere, twice as large, is the same input."""
    config = Config(coordinates="none", quantities="symmetric", windows_s=[0.5], normalise="global")
    spec = view.spec()
    here = recording("a", 300, 0)
    there = dataclasses.replace(here, position=2 * here.position + 70)
    names, x = column_names(spec, config), columns(here, config)
    assert x.shape == (300, len(names)) and np.isfinite(x).all() and len(set(names)) == len(names)
    np.testing.assert_allclose(columns(there, config), x, atol=1e-4)
    both = Config(quantities="named", velocity=True)
    assert columns(here, both).shape[1] == len(column_names(spec, both))
    assert "speed[a]" in column_names(spec, both) and "speed|sd_0.5s" in names
    blank = dataclasses.replace(here, position=np.full_like(here.position, np.nan))
    assert np.isfinite(columns(blank, config)).all()


def test_predictions_are_smoothed_and_held_against_further_tasks(view):
    plain = method.Model(Config(seed=1), view.spec())
    smoothed = method.Model(Config(seed=1, smooth_s=0.5), view.spec())
    held = recording("c", 33, 2)
    one, mean = (method.predict(model, held)["behaviour"] for model in (plain, smoothed))
    np.testing.assert_allclose(mean[16], one[9:24].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(mean.sum(axis=1), 1, rtol=1e-5)
    again = Labels(np.zeros(33, np.int16), np.ones(33, bool), "frame", "multiclass", ("still", "walk"))
    spec = dataclasses.replace(view.spec(), vocabularies={"behaviour": ("still", "walk"), "again": again.vocabulary})
    found = method.predict(method.Model(Config(seed=1, strong="behaviour", also_judged_by=["again"]), spec), held)
    assert set(found) == {"behaviour", "again"} and np.array_equal(found["again"], one)
    with pytest.raises(ConfigError, match="'again' must exist and have the classes of 'behaviour', still, walk"):
        method.Model(Config(also_judged_by=["again"]), view.spec())


def test_dropped_inputs_and_tamed_weights(tmp_path):
    network = Network(6, 2, NetworkOptions(input_dropout=0.5)).train()
    torch.manual_seed(0)
    seen = []
    network.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(torch.ones(4, 50, 6))
    network.eval()(torch.ones(4, 50, 6))
    whole = (seen[0] == 0).all(dim=1) | (seen[0] == 2).all(dim=1)  # a column of a sequence goes as one, the rest grow
    assert whole.all() and 0 < int((seen[0][:, 0] == 0).sum()) < 24 and (seen[1] == 1).all()
    made = dataclasses.replace(signals(400), strong=np.where(np.arange(400) % 4 == 0, 1, 0))
    model, _, data = trained(tmp_path, [made], epochs=1, loss={"weight_classes": True, "weight_power": 0.5})
    assert float(model.class_weights[1]) == pytest.approx(float(data.counts[0] / data.counts[1]) ** 0.5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loss": {"lambda_weak": 1}}, "weak must name the task"),
        ({"loss": {"lambda_task": 1}}, "targets must name continuous tasks"),
        ({"loss": {"lambda_strong": 0}}, "at least one lambda"),
        ({"loss": {"semi_supervised_algo": "ups"}}, "needs lambda_strong and lambda_weak"),
        ({"loss": {"anneal_start": 5, "anneal_end": 2}}, "anneal_end must not lie before"),
        ({"sequences": {"trial_splits": "9;1"}}, "four whole numbers"),
        ({"network": {"n_hid_layers": 0}}, "n_hid_layers of at least 1"),
        ({"lambda_weak": 1}, "unknown key 'lambda_weak'"),
        ({"coordinates": "none"}, "leaves no input"),
        ({"windows_s": [1]}, "windows of quantities"),
        ({"quantities": "symmetric", "windows_s": [0]}, "longer than 0 s"),
    ],
)
def test_options_that_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        methods.parse("daart", options)
    with pytest.raises(ValidationError):
        Config.model_validate(options)
