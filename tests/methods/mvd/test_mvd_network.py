import argparse
import functools
import math
from pathlib import Path, PureWindowsPath

import pytest
import torch
from builders.clips import config
from safetensors.torch import save_file
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from workflow_scripts.core.errors import InputError
from workflow_scripts.methods.mvd import method
from workflow_scripts.methods.mvd.module import make_network
from workflow_scripts.methods.mvd.network import Block, DropPath, VideoTransformer, position_table, position_table_1d
from workflow_scripts.methods.mvd.original import load_network
from workflow_scripts.methods.mvd.sizes import SIZES

SHAPE = {"image_size": 32, "patch": 8, "num_frames": 8}


def small(classes=5, **more):
    torch.manual_seed(0)
    return VideoTransformer(64, 2, 2, classes, **SHAPE | more).eval()


@pytest.fixture(scope="module")
def library():
    """The same architecture by another hand, with weights far from their start."""
    torch.manual_seed(1)
    stated = VideoMAEConfig(
        image_size=32,
        patch_size=8,
        num_frames=8,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=256,
        layer_norm_eps=1e-6,
        num_labels=5,
        use_mean_pooling=True,
    )
    model = VideoMAEForVideoClassification(stated).eval()
    model.fc_norm.eps = 1e-6
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def mvd_names(model):
    """Write the library's weights under the names of an MVD checkpoint."""
    state, found = model.state_dict(), {}
    for part in ("weight", "bias"):
        found[f"patch_embed.proj.{part}"] = state[f"videomae.embeddings.patch_embeddings.projection.{part}"]
        found[f"fc_norm.{part}"] = state[f"fc_norm.{part}"]
        found[f"head.{part}"] = state[f"classifier.{part}"]
    for k in range(model.config.num_hidden_layers):
        old, new = f"videomae.encoder.layer.{k}", f"blocks.{k}"
        inner = f"{old}.attention.attention"
        found[f"{new}.attn.qkv.weight"] = torch.cat([state[f"{inner}.{x}.weight"] for x in ("query", "key", "value")])
        found[f"{new}.attn.q_bias"] = state[f"{inner}.query.bias"]
        found[f"{new}.attn.v_bias"] = state[f"{inner}.value.bias"]
        names = {
            "attention.output.dense": "attn.proj",
            "layernorm_before": "norm1",
            "layernorm_after": "norm2",
            "intermediate.dense": "mlp.fc1",
            "output.dense": "mlp.fc2",
        }
        for theirs, ours in names.items():
            for part in ("weight", "bias"):
                found[f"{new}.{ours}.{part}"] = state[f"{old}.{theirs}.{part}"]
    return {name: tensor.clone() for name, tensor in found.items()}


@pytest.mark.parametrize(("size", "millions"), [("small", 21.9), ("base", 86.2), ("large", 305), ("huge", 633)])
def test_sizes_are_the_published_ones(size, millions):
    dims = SIZES[size]
    with torch.device("meta"):
        # The published image and tubes; few frames, since the table of positions has no parameters.
        network = VideoTransformer(dims.dim, dims.depth, dims.heads, 3, image_size=32, num_frames=2)
    count = sum(parameter.numel() for parameter in network.parameters())
    block = 12 * dims.dim**2 + 12 * dims.dim
    assert count == dims.depth * block + 1537 * dims.dim + 2 * dims.dim + 3 * (dims.dim + 1)
    assert count / 1e6 == pytest.approx(millions, rel=0.005)


def test_position_table_by_its_formula():
    table = position_table(32, 2, 3, 4)
    assert table.shape == (24, 32)
    t, y, x = 1, 2, 3
    row = table[t * 12 + y * 4 + x]

    def wave(d, p):
        rates = [10000 ** (-i / (d / 2)) for i in range(d // 2)]
        return [math.sin(p * w) for w in rates] + [math.cos(p * w) for w in rates]

    assert row.tolist() == pytest.approx(wave(8, t) + wave(12, x) + wave(12, y), abs=1e-6)
    with pytest.raises(ValueError, match="multiple of 16"):
        position_table(24, 1, 1, 1)


@pytest.mark.parametrize("positions", ["3d", "1d"])
def test_imported_logits_equal_the_librarys(tmp_path, library, positions):
    # Published files hold the command line they were made with.
    torch.save({"model": mvd_names(library), "args": argparse.Namespace(lr=1e-3)}, tmp_path / "fine.pth")
    network = small(positions=positions)
    load_network(network, tmp_path / "fine.pth")
    table = position_table(64, 4, 4, 4) if positions == "3d" else position_table_1d(64, 64)
    library.videomae.embeddings.position_embeddings = table[None]
    video = torch.randn(2, 3, 8, 32, 32)
    with torch.inference_mode():
        ours = network(video)[:, 0]
        theirs = library(video.transpose(1, 2)).logits
    assert theirs.abs().max() > 0.1
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("older", [False, True])
def test_weights_of_transformers_give_its_logits(tmp_path, library, older):
    state = {name: tensor.clone() for name, tensor in library.state_dict().items()}
    if older:  # names of transformers 4, as in the files of the hub
        state = {
            name.replace("attention.query.bias", "attention.q_bias").replace(
                "attention.value.bias", "attention.v_bias"
            ): tensor
            for name, tensor in state.items()
        }
    save_file(state, tmp_path / "model.safetensors")
    network = small(positions="1d")
    load_network(network, tmp_path / "model.safetensors")
    library.videomae.embeddings.position_embeddings = position_table_1d(64, 64)[None]
    video = torch.randn(2, 3, 8, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network(video)[:, 0], library(video.transpose(1, 2)).logits, atol=2e-5, rtol=1e-5)


def test_a_path_in_the_command_line_of_a_checkpoint_is_let_through(tmp_path, library):
    stated = argparse.Namespace(output_dir=Path("/somewhere"), data=PureWindowsPath("C:/data"))
    torch.save({"model": mvd_names(library), "args": stated}, tmp_path / "fine.pth")
    assert "head.weight" in method.import_weights(tmp_path / "fine.pth")


def test_pretrained_import_takes_the_encoder_alone(tmp_path, library):
    state = {
        f"module.encoder.{name}": value
        for name, value in mvd_names(library).items()
        if name.startswith(("patch_embed", "blocks"))
    }
    state |= {
        "norm.weight": torch.ones(64),
        "pos_embed": torch.zeros(1),
        "decoder_img.blocks.0.norm1.bias": torch.ones(3),
    }
    state |= {"mask_token_vid": torch.zeros(1), "down_img.weight": torch.ones(2)}
    torch.save({"module": state}, tmp_path / "pre.pt")
    network = small(3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    load_network(network, tmp_path / "pre.pt")
    after = network.state_dict()
    for name, value in after.items():
        kept = name.startswith(("fc_norm", "head"))
        assert torch.equal(value, before[name]) is kept, name
    assert set(method.import_weights(tmp_path / "pre.pt")) == {
        name for name in before if not name.startswith(("fc", "he"))
    }


def test_other_heads_start_fresh_and_motion_starts_blind(tmp_path, library):
    torch.save(mvd_names(library), tmp_path / "bare.pt")
    network = small(3, channels=4)
    load_network(network, tmp_path / "bare.pt")
    video = torch.randn(1, 4, 8, 32, 32)
    other = video.clone()
    other[:, 3] += 5
    assert torch.equal(network.moments(video), network.moments(other))


@pytest.mark.parametrize("fault", ["missing", "unexpected", "size", "nothing", "code", "text", "absent"])
def test_unfit_weights_are_one_sentence(tmp_path, library, fault):
    state, path = mvd_names(library), tmp_path / "x.pt"
    if fault == "missing":
        del state["blocks.1.norm2.bias"]
    elif fault == "unexpected":
        state["blocks.1.attn.relative_table"] = torch.ones(2)
    elif fault == "nothing":
        state = {"weights": torch.ones(3)}
    if fault == "code":
        torch.save({"model": state, "hook": functools.partial(print, "x")}, path)
    elif fault == "text":
        path.write_text("not weights")
    elif fault != "absent":
        torch.save({"model": state}, path)
    network = small() if fault != "size" else VideoTransformer(96, 2, 2, 5, **SHAPE)
    with pytest.raises(InputError) as caught:
        load_network(network, path)
    message = str(caught.value)
    assert "x.pt" in message and "\n" not in message and message.endswith(".")
    stated = {"missing": "norm2.bias is missing", "unexpected": "relative_table is unexpected", "size": "not (96, 3"}
    assert stated.get(fault, "") in message


def test_patch_embedding_equals_the_convolution():
    network = small()
    video = torch.randn(2, 3, 8, 32, 32)
    tokens = network.patch_embed(video)
    convolved = network.patch_embed.proj(video).flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens, convolved, atol=1e-5, rtol=1e-5)


def test_tubelet_head_is_the_window_head_on_moments():
    window, moment = small(), small(head="tubelet")
    moment.load_state_dict(window.state_dict())
    video = torch.randn(2, 3, 8, 32, 32)
    assert window(video).shape == (2, 1, 5) and moment(video).shape == (2, 4, 5)
    tokens = window.encode(video).view(2, 4, 16, 64)
    torch.testing.assert_close(moment(video), moment.head(moment.fc_norm(tokens.mean(2))))


def test_checkpointing_changes_no_gradient():
    plain, thrifty = small().train(), small(checkpointing=True).train()
    video = torch.randn(2, 3, 8, 32, 32)
    for network in (plain, thrifty):
        network(video).square().sum().backward()
    for (name, a), b in zip(plain.named_parameters(), thrifty.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    drop = DropPath(0.25).train()
    out = drop(torch.ones(4000, 3, 2))
    kept = out[:, 0, 0] > 0
    assert torch.equal(out[kept], torch.full_like(out[kept], 4 / 3)) and not out[~kept].any()
    assert out.mean() == pytest.approx(1, abs=0.03)
    assert torch.equal(drop.eval()(out), out)
    rates = [block.drop_path.rate for block in VideoTransformer(64, 3, 2, 1, drop_path=0.2, **SHAPE).blocks]
    assert rates == pytest.approx([0, 0.1, 0.2])
    assert isinstance(Block(64, 2).drop_path, DropPath)


def test_networks_of_the_options():
    network = make_network(config(motion=True, num_frames=16).resolved(), 3)
    assert network.patch_embed.proj.weight.shape == (96, 4, 2, 8, 8)
    assert network.positions.shape == (8 * 4 * 4, 96) and network.head_kind == "tubelet"
    assert make_network(config(mode="faithful").resolved(), 3).head_kind == "window"


def test_first_weights_are_by_width_unless_faithful_or_loaded():
    def spreads(**options):
        torch.manual_seed(0)
        mode = options.pop("mode", "sound")
        network = make_network(config(mode=mode, **options).resolved(), 3)
        layer = network.blocks[0].mlp.fc1.weight
        return float(layer.detach().std()), float(network.patch_embed.proj.weight.detach().std())

    small = (pytest.approx(0.02, rel=0.05),) * 2
    assert spreads(mode="faithful") == small
    assert spreads(load_backbone="weights.safetensors") == small
    # Variance 2 / (inputs + outputs): 96 + 384 of the layer, 3 · 2 · 8² + 96 of the patches.
    assert spreads() == (pytest.approx((2 / 480) ** 0.5, rel=0.05), pytest.approx((2 / 480) ** 0.5, rel=0.05))
