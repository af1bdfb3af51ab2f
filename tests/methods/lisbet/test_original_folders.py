"""Original folders whose window, offset, norm or columns are written in another way than the newest version does."""

import dataclasses

import numpy as np
import pytest
import torch
import yaml
from builders.tracks import walkers
from builders.tracks import walkers_view as make_view

from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.methods.lisbet import method
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.draws import TRAIN, Drawer
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.original.read import config_of, load_backbone, read_original
from workflow_scripts.methods.lisbet.original.write import write_original
from workflow_scripts.methods.lisbet.store import load_frames
from workflow_scripts.training.weights import save_weights
from workflow_scripts.views.tracks import DataSpec


def model(spec, **options):
    torch.manual_seed(0)
    return Lisbet(Config(**{"mode": "faithful", "preset": "16x2", "window_size": 20, **options}), spec)


def rewrite(folder, **changes):
    """Change keys of a folder's configuration; None takes one out."""
    file = folder / "model_config.yml"
    written = yaml.safe_load(file.read_text()) | changes
    file.write_text(yaml.safe_dump({key: value for key, value in written.items() if value is not None}))


def imported(folder, spec):
    found = read_original(folder)
    again = Lisbet(config_of(found), spec)
    again.load_state_dict(found.state, strict=True)
    return found, again


def test_an_embedder_of_the_seed_layout_keeps_its_window_and_offset(spec, tmp_path):
    made = model(spec, window_size=60, window_offset=50)
    write_original(made, tmp_path / "m", embedder=True)
    found, again = imported(tmp_path / "m", spec)
    assert (found.window_size, found.window_offset) == (60, 50)
    recording = walkers("r", 80)
    np.testing.assert_allclose(method.embed(made, recording), method.embed(again, recording), atol=1e-6)


def test_a_table_of_another_length_is_written_as_twice_the_window(spec, tmp_path):
    for rows in (20, 31, 90):
        made = model(spec, backbone={"max_length": rows})
        write_original(made, tmp_path / f"m{rows}", embedder=True)
        found, again = imported(tmp_path / f"m{rows}", spec)
        assert (found.window_size, found.backbone.max_length) == (20, 40)
        recording = walkers("r", 30)
        np.testing.assert_allclose(method.embed(made, recording), method.embed(again, recording), atol=1e-6)


def test_a_flat_embedder_of_0_3_1_has_a_window_as_long_as_its_table(spec, tmp_path):
    made = model(spec, backbone={"max_length": 20})
    write_original(made, tmp_path / "m", layout="newest", embedder=True)
    sizes = {"bp_dim": 28, "emb_dim": 16, "hidden_dim": 32, "max_len": 20, "num_heads": 2, "num_layers": 2}
    names = {"individuals": ["resident", "intruder"], "keypoints": list(spec.keypoints), "space": ["x", "y"]}
    flat = sizes | {"output_token_idx": -1, "input_features": names, "model_id": "m"}
    (tmp_path / "m" / "model_config.yml").write_text(yaml.safe_dump(flat))
    found, again = imported(tmp_path / "m", spec)
    assert (found.layout, found.window_size, found.window_offset) == ("0.3.1", 20, 0)
    recording = walkers("r", 30)
    np.testing.assert_allclose(method.embed(made, recording), method.embed(again, recording), atol=1e-6)


@pytest.mark.parametrize("layout", ["seed", "newest"])
def test_two_places_that_name_other_target_frames_are_refused(spec, tmp_path, layout):
    write_original(model(spec, tasks=["cfc"], labels=["near"], window_offset=4), tmp_path / "m", layout=layout)
    rewrite(tmp_path / "m", window_offset=3)
    with pytest.raises(InputError, match=r"window_offset 3 and output_token_idx \[-5\] name different target frames"):
        read_original(tmp_path / "m")
    rewrite(tmp_path / "m", window_offset=None)
    assert read_original(tmp_path / "m").window_offset == 4
    rewrite(tmp_path / "m", window_size="20")
    with pytest.raises(InputError, match="window_size is '20', expected a whole number"):
        read_original(tmp_path / "m")


def test_an_odd_table_without_a_window_is_asked_for(spec, tmp_path):
    write_original(model(spec, backbone={"max_length": 31}), tmp_path / "m", embedder=True)
    state = torch.load(tmp_path / "m" / "weights" / "weights_last.pt", weights_only=True)
    state["backbone.pos_embedder.pos_emb"] = state["backbone.pos_embedder.pos_emb"][:31].clone()
    torch.save(state, tmp_path / "m" / "weights" / "weights_last.pt")
    rewrite(tmp_path / "m", max_len=31)
    found = read_original(tmp_path / "m")
    assert found.window_size is None
    with pytest.raises(ConfigError, match="states no window_size"):
        config_of(found)
    assert config_of(found, window_size=20).window_size == 20


def test_a_norm_is_written_for_the_version_that_computes_with_it(spec, tmp_path):
    post, pre = model(spec, backbone={"norm": "post"}), model(spec)
    for layout, said in (("seed", r"Version 0\.3\.0 computes"), ("newest", r"Version 0\.4 and later computes")):
        with pytest.raises(EthoMakeError, match=f"{said} with backbone.norm: pre, and this model has norm: post"):
            write_original(post, tmp_path / "x", layout=layout)
    with pytest.raises(EthoMakeError, match=r"Version 0\.2\.3 computes with backbone.norm: post"):
        write_original(pre, tmp_path / "x", layout="0.2.3")
    assert not (tmp_path / "x").exists()
    write_original(post, tmp_path / "old", layout="0.2.3")
    found, again = imported(tmp_path / "old", spec)
    assert found.backbone.norm == "post"
    recording = walkers("r", 30)
    np.testing.assert_allclose(method.embed(post, recording), method.embed(again, recording), atol=1e-6)


def reordered(spec, **changes):
    return dataclasses.replace(spec, **{key: tuple(value) for key, value in changes.items()})


@pytest.mark.parametrize("part", ["", "weights/weights_last.pt"])
def test_a_backbone_of_other_columns_is_refused(spec, tmp_path, part):
    write_original(model(spec), tmp_path / "m", layout="newest", embedder=True)
    back = reordered(spec, keypoints=spec.keypoints[::-1])
    with pytest.raises(InputError, match=r"trained on the keypoints nose, .*, the data have tail, "):
        load_backbone(model(back), tmp_path / "m" / part)
    swapped = reordered(spec, individuals=spec.individuals[::-1])
    with pytest.raises(InputError, match="trained on the individuals resident, intruder, the data have intruder"):
        load_backbone(model(swapped), tmp_path / "m" / part)
    load_backbone(model(reordered(spec, individuals=("a", "b"))), tmp_path / "m" / part)


def test_a_sound_model_takes_no_original_backbone_for_inputs_it_never_saw(spec, tmp_path):
    write_original(model(spec), tmp_path / "m", embedder=True)
    sound = Lisbet(Config(preset="16x2", window_size=20, seen=False), spec)
    with pytest.raises(InputError, match="reads coordinates as filmed, divided to the range 0 to 1; set normalise"):
        load_backbone(sound, tmp_path / "m")
    plain = Config(preset="16x2", window_size=20, seen=False, frame="arena", normalise="original")
    load_backbone(Lisbet(plain, spec), tmp_path / "m")


def test_a_backbone_of_a_run_is_held_to_the_runs_inputs(spec, tmp_path):
    run = model(spec)
    save_weights(tmp_path / "weights_best.safetensors", run.state_dict())
    hparams = {"options": run.config.model_dump(mode="json"), "spec": spec.to_dict()}
    hparams["spec"]["keypoints"] = list(spec.keypoints)
    hparams["spec"]["individuals"] = list(spec.individuals)
    hparams["spec"] = {key: hparams["spec"][key] for key in ("keypoints", "individuals", "space")}
    (tmp_path / "hparams.yaml").write_text(yaml.safe_dump(hparams))
    load_backbone(model(spec), tmp_path / "weights_best.safetensors")
    with pytest.raises(InputError, match="trained on the keypoints nose"):
        load_backbone(model(reordered(spec, keypoints=spec.keypoints[::-1])), tmp_path / "weights_best.safetensors")
    with pytest.raises(InputError, match="was trained with normalise: original, this run has normalise: body"):
        load_backbone(model(spec, normalise="body"), tmp_path / "weights_best.safetensors")


@pytest.mark.parametrize(("offset", "negatives"), [(7, "paper"), (7, "strict"), (0, "paper")])
def test_both_halves_of_order_end_as_far_behind_their_frames_as_windows_do(offset, negatives):
    config = Config(
        mode="faithful", preset="16x2", tasks=["nwp"], window_size=20, window_offset=offset, negatives=negatives
    ).resolved()
    recordings = [walkers(f"r{k}", 300) for k in range(2)]
    frames = load_frames(recordings, [300, 300], DataSpec.of(recordings[0]), config)
    drawer = Drawer(frames, config)
    index = np.arange(1, 299)
    plan = drawer.plan("order", 3, TRAIN, 0, 0, len(index), index)
    row, _ = drawer.domains["order"].row(index)
    np.testing.assert_array_equal(plan.first + 9, row + offset)
    second = plan.second + 19 - offset
    same = np.isin(second, np.arange(frames.starts[0], frames.stops[1]))
    assert same.all()
    follows = plan.label > 0
    assert (second[follows] >= row[follows]).all()
    inside = Drawer(frames, config.model_copy(update={"window_sampling": "inside"}))
    drawn = inside.plan("order", 3, TRAIN, 0, 0, 500)
    for start, length in ((drawn.first, 10), (drawn.second + 10, 10)):
        record = np.searchsorted(frames.starts, start, side="right") - 1
        assert (start >= frames.starts[record]).all()
        assert (start + length <= frames.stops[record]).all()


def test_an_embedder_without_tasks_embeds_and_refuses_to_train(spec, tmp_path):
    write_original(model(spec), tmp_path / "m", embedder=True)
    found, again = imported(tmp_path / "m", spec)
    assert again.heads == [] and set(again.state_dict()) == set(found.state)
    assert method.predict(again, walkers("r", 30)) is None
    with pytest.raises(ConfigError, match="expected at least one task to train"):
        method.prepare(make_view(tmp_path, [walkers("r0", 50)]), again.config)
