import numpy as np
import pandas as pd
import pytest
import torch
from builders.clips import config, dataset, settings, split
from safetensors.torch import load_file

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.methods.mvd.distil import Decoder, tube_mask
from workflow_scripts.methods.mvd.network import VideoTransformer
from workflow_scripts.methods.mvd.teachers import image_features, load_image_teacher, load_video_teacher
from workflow_scripts.methods.runs import embed, export_embedder, train
from workflow_scripts.views.clips import ClipView


def mae_state(dim=64, depth=2, side=32, patch=8):
    """An MAE encoder's state dict, key biases and all, and what it computes, written out by hand."""
    torch.manual_seed(0)
    state = {"cls_token": torch.randn(1, 1, dim), "pos_embed": torch.randn(1, 1 + (side // patch) ** 2, dim)}
    shapes = {"patch_embed.proj.weight": (dim, 3, patch, patch), "patch_embed.proj.bias": (dim,)}
    for k in range(depth):
        shapes |= {
            f"blocks.{k}.norm1.weight": (dim,),
            f"blocks.{k}.norm1.bias": (dim,),
            f"blocks.{k}.attn.qkv.weight": (3 * dim, dim),
            f"blocks.{k}.attn.qkv.bias": (3 * dim,),
            f"blocks.{k}.attn.proj.weight": (dim, dim),
            f"blocks.{k}.attn.proj.bias": (dim,),
            f"blocks.{k}.norm2.weight": (dim,),
            f"blocks.{k}.norm2.bias": (dim,),
            f"blocks.{k}.mlp.fc1.weight": (4 * dim, dim),
            f"blocks.{k}.mlp.fc1.bias": (4 * dim,),
            f"blocks.{k}.mlp.fc2.weight": (dim, 4 * dim),
            f"blocks.{k}.mlp.fc2.bias": (dim,),
        }
    return state | {name: 0.2 * torch.randn(shape) for name, shape in shapes.items()}


def mae_literal(state, images, heads=1):
    """Tokens after the last block, for one head, with the key bias in its place."""
    patch = state["patch_embed.proj.weight"].shape[-1]
    x = torch.nn.functional.conv2d(images, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], patch)
    x = x.flatten(2).transpose(1, 2) + state["pos_embed"][:, 1:]
    x = torch.cat([(state["cls_token"] + state["pos_embed"][:, :1]).expand(len(x), -1, -1), x], 1)
    dim = x.shape[2]
    for k in range(2):
        part = {name.removeprefix(f"blocks.{k}."): value for name, value in state.items() if f"blocks.{k}." in name}
        h = torch.nn.functional.layer_norm(x, (dim,), part["norm1.weight"], part["norm1.bias"], 1e-6)
        q, key, v = (h @ part["attn.qkv.weight"].T + part["attn.qkv.bias"]).chunk(3, dim=2)
        h = torch.softmax(q @ key.transpose(1, 2) / dim**0.5, dim=2) @ v
        x = x + h @ part["attn.proj.weight"].T + part["attn.proj.bias"]
        h = torch.nn.functional.layer_norm(x, (dim,), part["norm2.weight"], part["norm2.bias"], 1e-6)
        h = torch.nn.functional.gelu(h @ part["mlp.fc1.weight"].T + part["mlp.fc1.bias"])
        x = x + h @ part["mlp.fc2.weight"].T + part["mlp.fc2.bias"]
    return x[:, 1:]


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    extra = {"norm.weight": torch.ones(64), "decoder_pred.bias": torch.ones(3), "mask_token": torch.ones(1)}
    torch.save({"model": mae_state() | extra}, folder / "mae.pth")
    torch.manual_seed(1)
    video = VideoTransformer(64, 2, 1, 0, image_size=32, patch=8, num_frames=8, positions="1d")
    state = {f"encoder.{name}": value for name, value in video.state_dict().items()}
    state |= {"encoder.norm.weight": torch.ones(64), "decoder.head.bias": torch.ones(2), "mask_token": torch.ones(1)}
    torch.save({"model": state | {"encoder_to_decoder.weight": torch.ones(2, 2)}}, folder / "videomae.pth")
    return folder


def test_the_image_teacher_computes_what_its_checkpoint_says(teachers):
    teacher = load_image_teacher(teachers / "mae.pth")
    images = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(teacher(images), mae_literal(mae_state(), images), atol=1e-4, rtol=1e-4)
    video = torch.randn(2, 3, 8, 32, 32)
    features = image_features(teacher, video, 4)
    assert features.shape == (2, 64, 64)
    # The second moment's features are those of the third frame.
    torch.testing.assert_close(features[:, 16:32], teacher(video[:, :, 2]))


def test_the_video_teacher_has_videomaes_table(teachers):
    teacher = load_video_teacher(teachers / "videomae.pth", 32, 8)
    assert teacher.positions[1, 0] == pytest.approx(np.sin(1)) and teacher.positions[1, 1] == pytest.approx(np.cos(1))
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    with pytest.raises(InputError, match="multiple, not 30"):
        load_video_teacher(teachers / "videomae.pth", 30, 8)


@pytest.mark.parametrize("change", ["missing", "unexpected"])
def test_unfit_teachers_are_refused(tmp_path, change):
    state = mae_state()
    if change == "missing":
        del state["blocks.0.norm1.bias"]
    else:
        state["blocks.0.ls1.gamma"] = torch.ones(1)
    torch.save(state, tmp_path / "mae.pth")
    with pytest.raises(InputError, match=f"is {change}"):
        load_image_teacher(tmp_path / "mae.pth")


def test_tubes_hide_the_same_places_at_every_moment():
    visible, hidden = tube_mask(5, 196, 8, 0.9, torch.device("cpu"))
    assert visible.shape == (5, 160) and hidden.shape == (5, 8 * 176)
    for row, rest in zip(visible, hidden, strict=True):
        assert sorted([*row.tolist(), *rest.tolist()]) == list(range(8 * 196))
        assert len(set((row % 196).tolist())) == 20
    assert not torch.equal(visible[0], visible[1])


@pytest.mark.parametrize(("dim", "heads"), [(96, 3), (192, 3), (384, 6), (768, 12)])
def test_decoders_are_half_as_wide(dim, heads):
    decoder = Decoder(dim, heads, 2, 7, (2, 2, 2))
    assert decoder.down.out_features == dim // 2
    visible, hidden = tube_mask(2, 4, 2, 0.5, torch.device("cpu"))
    assert decoder(torch.randn(2, 4, dim), visible, hidden).shape == (2, 4, 7)


def test_distilled_weights_start_a_classifier(teachers, tmp_path):
    view = ClipView(dataset(tmp_path, videos=3, length=72), split(["v0", "v1"], ["v2"]))
    distil = {"image_teacher": str(teachers / "mae.pth"), "video_teacher": str(teachers / "videomae.pth")}
    distil["widths"] = {"image": 64, "video": 64}
    options = {"objective": "distil", "distil": distil, "learning_rate": 2e-3, "samples": 32, "warmup_epochs": 0.5}
    folder = tmp_path / "distilled"
    train("mvd", settings(**options, training={"max_epochs": 3}), view, folder=folder, seed=0)
    losses = pd.read_csv(folder / "metrics.csv")
    assert losses["val_loss"].is_monotonic_decreasing
    assert losses["train_image_loss"].iloc[-1] < losses["train_image_loss"].iloc[0]
    assert not any("teacher" in name for name in load_file(folder / "weights_best.safetensors"))
    export_embedder(folder)
    embed(folder / "embedder", view, folder / "embeddings.h5")
    with open_embeddings(folder / "embeddings.h5") as reader:
        assert reader.read("v0").shape == (72, 96)
    start = {"load_backbone": str(folder / "weights_best.safetensors"), "samples": 8, "learning_rate": 1e-12}
    train("mvd", settings(**start, training={"max_epochs": 1}), view, folder=tmp_path / "fine", seed=0)
    name = "network.blocks.0.attn.qkv.weight"
    one, two = (load_file(tmp_path / run / "weights_best.safetensors")[name] for run in ("distilled", "fine"))
    torch.testing.assert_close(one, two)


def test_distilling_without_teachers_or_with_another_width_is_refused(teachers, tmp_path):
    assert config(objective="distil").readout() is None and config().readout() == "native"
    view = ClipView(dataset(tmp_path, videos=2, length=60), split(["v0"], ["v1"]))
    with pytest.raises(ConfigError, match="needs distil"):
        train("mvd", settings(objective="distil"), view, folder=tmp_path / "a", seed=0)
    distil = {"image_teacher": str(teachers / "mae.pth")}
    with pytest.raises(ConfigError, match="write 64 there"):
        train("mvd", settings(objective="distil", distil=distil), view, folder=tmp_path / "b", seed=0)
