"""Original model folders: read, refused, written, and read again."""

import numpy as np
import pytest
import torch
import yaml
from builders.tracks import walkers
from torch import nn

from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.methods.lisbet import method
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.original.read import config_of, load_backbone, read_original
from workflow_scripts.methods.lisbet.original.write import write_original

LAYER = ["self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias"]
LAYER += [f"{part}.{kind}" for part in ("linear1", "linear2", "norm1", "norm2") for kind in ("weight", "bias")]


def names(layers, heads, final=True):
    found = ["frame_embedder.weight", "frame_embedder.bias", "pos_embedder.pos_emb"]
    found += [f"transformer_encoder.layers.{k}.{name}" for k in range(layers) for name in LAYER]
    found += ["layer_norm.weight", "layer_norm.bias"] if final else []
    found = [f"backbone.{name}" for name in found]
    return found + [
        f"task_heads.{head}.logits.{part}.{kind}"
        for head in heads
        for part in ("linear1", "linear2")
        for kind in ("weight", "bias")
    ]


def model(spec, **options):
    torch.manual_seed(0)
    return Lisbet(Config(mode="faithful", preset="16x2", window_size=20, **options), spec)


def test_the_seed_layout(spec, tmp_path):
    made = model(spec, tasks=["nwp", "smp", "vsp", "dmp"])
    write_original(made, tmp_path / "lisbet16x2")
    config = yaml.safe_load((tmp_path / "lisbet16x2" / "model_config.yml").read_text())
    assert config == {
        "bp_dim": 28,
        "emb_dim": 16,
        "hidden_dim": 32,
        "max_len": 40,
        "num_heads": 2,
        "num_layers": 2,
        "out_dim": {"nwp": 1, "smp": 1, "vsp": 1, "dmp": 1},
        "output_token_idx": -1,
        "window_offset": 0,
        "window_size": 20,
    }
    assert list(config) == sorted(config)
    state = torch.load(tmp_path / "lisbet16x2" / "weights" / "weights_last.pt", weights_only=True)
    assert sorted(state) == sorted(names(2, ["nwp", "smp", "vsp", "dmp"]))
    assert state["backbone.pos_embedder.pos_emb"].shape == (40, 16)


@pytest.mark.parametrize("layout", ["seed", "newest"])
@pytest.mark.parametrize("tasks", [["nwp", "dmp"], ["multiclass"]])
def test_there_and_back(spec, tmp_path, layout, tasks):
    made = model(spec, tasks=tasks, labels=["behaviour"] if tasks == ["multiclass"] else [], window_offset=4)
    write_original(made, tmp_path / "m", layout=layout)
    found = read_original(tmp_path / "m")
    assert found.layout == layout
    assert (found.window_size, found.window_offset, found.features) == (20, 4, 28)
    assert found.outputs == {head.name: head.outputs for head in made.heads}
    assert set(found.state) == set(made.state_dict())
    options = {"labels": ["behaviour"]} if tasks == ["multiclass"] else {}
    again = Lisbet(config_of(found, **options), spec)
    again.load_state_dict(method.import_weights(tmp_path / "m"), strict=True)
    recording = walkers("r", 30)
    np.testing.assert_allclose(method.embed(made, recording), method.embed(again, recording), atol=1e-6)


@pytest.mark.parametrize("layout", ["seed", "newest"])
def test_an_embedder_alone(spec, tmp_path, layout):
    made = model(spec)
    write_original(made, tmp_path / "m-embedder", layout=layout, embedder=True)
    found = read_original(tmp_path / "m-embedder" / "model_config.yml")
    assert found.outputs == {}
    assert all(name.startswith("backbone.") for name in found.state)
    if layout == "seed":
        config = yaml.safe_load((tmp_path / "m-embedder" / "model_config.yml").read_text())
        assert set(config) == {
            "bp_dim",
            "emb_dim",
            "hidden_dim",
            "max_len",
            "num_heads",
            "num_layers",
            "output_token_idx",
        }
    else:
        config = yaml.safe_load((tmp_path / "m-embedder" / "model_config.yml").read_text())
        assert config["input_features"]["individuals"] == ["resident", "intruder"]
    other = model(spec, seed=1)
    load_backbone(other, tmp_path / "m-embedder")
    recording = walkers("r", 30)
    np.testing.assert_allclose(method.embed(made, recording), method.embed(other, recording), atol=1e-6)


def test_positions_are_cut_from_400_to_200(spec, tmp_path):
    old = Lisbet(Config(mode="faithful", preset="16x2"), spec)
    write_original(old, tmp_path / "old")
    new = Lisbet(Config(preset="16x2", seen=False, frame="arena", normalise="image", pad_mask=False), spec)
    assert new.backbone.pos_embedder.pos_emb.shape == (200, 16)
    load_backbone(new, tmp_path / "old" / "weights" / "weights_last.pt")
    assert torch.equal(new.backbone.pos_embedder.pos_emb, old.backbone.pos_embedder.pos_emb[:200])
    windows = torch.rand(2, 200, 28)
    with torch.no_grad():
        assert torch.allclose(new(windows), old(windows), atol=1e-5)


def test_a_reference_of_plain_torch_parts_computes_the_same(spec, tmp_path):
    """A model made from torch's own layers, as the original's is said to be, agrees through the files."""
    torch.manual_seed(3)
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=False)
    encoder = nn.TransformerEncoder(layer, 2)
    embedder, positions = nn.Linear(28, 16), torch.rand(40, 16)
    state = {f"backbone.frame_embedder.{k}": v for k, v in embedder.state_dict().items()}
    state |= {f"backbone.transformer_encoder.{k}": v for k, v in encoder.state_dict().items()}
    state["backbone.pos_embedder.pos_emb"] = positions
    folder = tmp_path / "v023"
    (folder / "weights").mkdir(parents=True)
    # As torch.compile leaves them: the original's non-strict loader would take nothing.
    torch.save({f"_orig_mod.{name}": tensor for name, tensor in state.items()}, folder / "weights" / "weights_last.pt")
    sizes = {"bp_dim": 28, "emb_dim": 16, "hidden_dim": 32, "max_len": 40, "num_heads": 2, "num_layers": 2}
    (folder / "model_config.yml").write_text(yaml.safe_dump(sizes | {"output_token_idx": -1}))
    found = read_original(folder)
    assert found.backbone.norm == "post"
    assert sorted(found.state) == sorted(names(2, [], final=False))
    mine = Lisbet(config_of(found), spec)
    load_backbone(mine, folder)
    windows = torch.rand(3, 20, 28)
    with torch.no_grad():
        wanted = encoder.eval()(embedder(windows) + positions[:20])
        assert torch.allclose(mine.eval()(windows), wanted, atol=1e-5)


def test_strict_keys(spec, tmp_path):
    made = model(spec)
    write_original(made, tmp_path / "m")
    file = tmp_path / "m" / "weights" / "weights_last.pt"
    state = torch.load(file, weights_only=True)
    for change, sentence in [
        ({"backbone.layer_norm.bias": None}, "layer_norm.bias is missing"),
        ({"backbone.extra": torch.zeros(2)}, "backbone.extra is unexpected"),
        ({"backbone.frame_embedder.bias": torch.zeros(3)}, r"has the shape \(3,\), not \(16,\)"),
        ({"task_heads.nwp.logits.linear1.bias": None}, "task_heads.order.logits.linear1.bias is missing"),
    ]:
        torch.save({k: v for k, v in (state | change).items() if v is not None}, file)
        with pytest.raises(InputError, match=sentence):
            read_original(tmp_path / "m")
    torch.save({"a": 1}, file)
    with pytest.raises(InputError, match="more than named tensors"):
        read_original(tmp_path / "m")
    torch.save({"a": Config()}, file)  # needs code to unpickle
    with pytest.raises(InputError, match="no state dict of plain tensors"):
        read_original(tmp_path / "m")
    file.unlink()
    with pytest.raises(InputError, match="found 0 files"):
        read_original(tmp_path / "m")
    other = model(spec, backbone={"embedding_dim": 8, "num_heads": 2})
    write_original(made, tmp_path / "n")
    with pytest.raises(InputError, match="has the shape"):
        load_backbone(other, tmp_path / "n")


def test_what_the_original_cannot_do_is_not_written(spec, tmp_path):
    for options, sentence in [
        ({"mode": "sound"}, "cannot compute this model's input"),
        ({"mode": "faithful", "preset": "lstm"}, "Only transformer"),
        ({"mode": "faithful", "tasks": ["geom"]}, "contrastive head"),
        ({"mode": "faithful", "head_type": "linear"}, "no linear heads"),
        ({"mode": "faithful", "tasks": ["cfc"], "labels": ["near"], "head_input": "both"}, "target frame alone"),
    ]:
        with pytest.raises(EthoMakeError, match=sentence):
            write_original(Lisbet(Config(**{"preset": "16x2", **options}), spec), tmp_path / "x")
    assert not (tmp_path / "x").exists()
