"""RT-DETRv2: original checkpoints, fine-tuning on boxes, detection."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.detectors import make
from workflow_scripts.detectors.rtdetr_training import Recipe, fine_tune, save
from workflow_scripts.detectors.rtdetr_weights import build, from_original, load_weights
from workflow_scripts.detectors.rtdetrv2 import resize
from workflow_scripts.video.frames import Planes

COUNTS = {"r18": 20, "r34": 31, "r50m": 36, "r50": 42, "r101": 76}
"""Millions of parameters of the published sizes, with 80 classes."""


def original_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The published project's names for our tensors, written down from its modules and not from our table."""
    made: dict[str, torch.Tensor] = {"decoder.anchors": torch.zeros(1), "decoder.valid_mask": torch.zeros(1)}
    thirds: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in state.items():
        new = name
        if name.startswith("model.backbone.model."):
            new = name.replace("model.backbone.model.", "backbone.")
            new = re.sub(r"embedder\.embedder\.(\d)", lambda m: f"conv1.conv1_{int(m[1]) + 1}", new)
            new = re.sub(r"encoder\.stages\.(\d)\.layers\.", r"res_layers.\1.blocks.", new)
            new = re.sub(r"\.layer\.(\d)\.", lambda m: f".branch2{'abc'[int(m[1])]}.", new)
            new = new.replace(".shortcut.1.", ".short.conv.").replace(".shortcut.", ".short.")
            new = new.replace(".convolution.", ".conv.").replace(".normalization.", ".norm.")
        elif name.startswith(("class_embed.", "bbox_embed.")):
            new = name.replace("class_embed", "decoder.dec_score_head").replace("bbox_embed", "decoder.dec_bbox_head")
        elif name.startswith(("model.decoder.class_embed.", "model.decoder.bbox_embed.")):
            continue
        elif found := re.match(r"model\.(encoder|decoder)_input_proj\.(\d)\.(\d)\.(.*)", name):
            new = f"{found[1]}.input_proj.{found[2]}.{('conv', 'norm')[int(found[3])]}.{found[4]}"
        elif found := re.match(r"model\.enc_output\.(\d)\.(.*)", name):
            new = f"decoder.enc_output.{('proj', 'norm')[int(found[1])]}.{found[2]}"
        elif name.startswith("model.decoder.query_pos_head."):
            new = name.removeprefix("model.")
        elif name.startswith(("model.denoising", "model.enc_score_head", "model.enc_bbox_head")):
            new = name.replace("model.", "decoder.", 1)
        else:
            aifi = ".aifi." in name
            new = name.replace("model.encoder.aifi.", "encoder.encoder.").replace("model.encoder.", "encoder.")
            new = new.replace("model.decoder.layers.", "decoder.decoder.layers.")
            new = re.sub(r"\.mlp\.fc(\d)\.", r".linear\1.", new).replace("self_attn.o_proj", "self_attn.out_proj")
            new = new.replace(".self_attn_layer_norm.", ".norm1.").replace(".encoder_attn_layer_norm.", ".norm2.")
            new = new.replace(".final_layer_norm.", ".norm2." if aifi else ".norm3.")
            new = new.replace(".encoder_attn.", ".cross_attn.").replace("n_points_scale", "num_points_scale")
            if found := re.match(r"(.*\.self_attn)\.([qkv])_proj\.(weight|bias)$", new):
                thirds.setdefault(f"{found[1]}.in_proj_{found[3]}", {})[found[2]] = tensor
                continue
        made[new] = tensor
    return made | {name: torch.cat([parts[k] for k in "qkv"]) for name, parts in thirds.items()}


@pytest.mark.parametrize("size", ["tiny", "r18", "r50"])
def test_original_names_map_one_to_one(size: str) -> None:
    with torch.device("meta"):
        state = build(size).state_dict()
    kept = {name for name in state if not name.endswith("num_batches_tracked")}
    assert set(from_original(original_names(state))) - kept == set()
    assert kept - set(from_original(original_names(state))) == set()


@pytest.mark.parametrize("size", list(COUNTS))
def test_sizes_have_the_published_number_of_parameters(size: str) -> None:
    with torch.device("meta"):
        model = build(size, classes=80)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(COUNTS[size], abs=1.0)


def test_an_original_checkpoint_detects_as_the_network_it_came_from(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build("tiny").eval()
    torch.save({"ema": {"module": original_names(model.state_dict())}}, tmp_path / "best.pth")
    other = build("tiny").eval()
    load_weights(tmp_path / "best.pth", other)
    picture = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        ours, theirs = other(pixel_values=picture), model(pixel_values=picture)
    assert torch.equal(ours.logits, theirs.logits)
    assert torch.equal(ours.pred_boxes, theirs.pred_boxes)


def test_weights_that_do_not_fit_are_one_sentence(tmp_path: Path) -> None:
    model = build("tiny")
    path = tmp_path / "tiny.safetensors"
    save(path, model)
    with pytest.raises(InputError, match=r"lacks|too many|has shape"):
        load_weights(path, build("r18"))
    with pytest.raises(InputError, match="has shape"):
        load_weights(path, build("tiny", classes=3))
    state = original_names(model.state_dict())
    state["surplus.weight"] = torch.zeros(1)
    torch.save({"model": state}, tmp_path / "more.pth")
    with pytest.raises(InputError, match="1 tensors too many, the first surplus"):
        load_weights(tmp_path / "more.pth", build("tiny"))
    (tmp_path / "bad.pth").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match=r"holds more than weights|is no checkpoint"):
        load_weights(tmp_path / "bad.pth", build("tiny"))
    torch.save({"model": Path("x")}, tmp_path / "object.pth")
    with pytest.raises(InputError, match="holds more than weights"):
        load_weights(tmp_path / "object.pth", build("tiny"))


def test_fine_tuning_learns_and_the_detector_runs_what_it_wrote(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images, boxes = [], []
    for _ in range(16):
        x, y, w, h = rng.integers(4, 50), rng.integers(4, 50), rng.integers(24, 40), rng.integers(24, 40)
        image = np.full((96, 96, 3), 190, np.uint8)
        image[y : y + h, x : x + w] = 40
        images.append(image)
        boxes.append((x, y, x + w, y + h))
    truth = np.array(boxes, np.float32)
    target = tmp_path / "mouse.safetensors"
    recipe = Recipe("tiny", epochs=8, batch=8, lr=2e-3, backbone_lr=2e-3, warmup_steps=4, ema_warmup=4, image_size=64)
    losses = fine_tune(images, truth, target, recipe)
    assert np.mean(losses[-3:]) < 0.7 * losses[0]
    detector = make("rtdetrv2", {"weights": target.name, "size": "tiny", "image_size": 64, "threshold": 0.0}, tmp_path)
    planes = [Planes(image[..., 0], *[np.full((48, 48), 128, np.uint8)] * 2) for image in images]
    found = detector.detect(planes, range(len(planes)))
    assert found.shape == (16, 5)
    # So few steps find no animal yet; what is read back is what was written.
    assert ((found[:, :4] >= 0) & (found[:, :4] <= 96)).all()
    written = build("tiny").eval()
    load_weights(target, written)
    with torch.inference_mode():
        scores = written(pixel_values=resize([planes[3].rgb()], 64)).logits.sigmoid()
    assert found[3, 4] == pytest.approx(float(scores.max()), abs=1e-5)
    with pytest.raises(EthoMakeError, match="no boxed picture"):
        fine_tune(images, np.full((16, 4), np.nan, np.float32), target, recipe)


def test_weights_with_discrete_sampling_are_recognised_by_their_name(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build("tiny", sampling="discrete")
    with torch.no_grad():  # heads that were never trained answer zero, whatever they see
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    save(tmp_path / "rtdetrv2_dsp.safetensors", model)
    options = {"weights": "rtdetrv2_dsp.safetensors", "size": "tiny", "image_size": 128, "threshold": 0.0}
    with pytest.raises(InputError, match=r"discrete sampling \(dsp\); set sampling: discrete"):
        make("rtdetrv2", options, tmp_path)
    detector = make("rtdetrv2", options | {"sampling": "discrete"}, tmp_path)
    image = torch.rand(1, 3, 128, 128)
    with torch.inference_mode():
        same = detector.model(pixel_values=image).logits
        default = build("tiny")
        load_weights(tmp_path / "rtdetrv2_dsp.safetensors", default)
        other = default.eval()(pixel_values=image).logits
        mine = model.eval()(pixel_values=image).logits
    assert torch.equal(same, mine) and not torch.allclose(same, other, atol=1e-4)


def test_every_animal_of_a_frame_is_found(tmp_path: Path) -> None:
    save(tmp_path / "w.safetensors", build("tiny"))
    options = {"weights": "w.safetensors", "size": "tiny", "image_size": 128, "threshold": 0.0, "batch": 2}
    detector = make("rtdetrv2", options, tmp_path)
    grey = np.full((64, 96), 100, np.uint8)
    planes = [Planes(grey, grey[::2, ::2], grey[::2, ::2])] * 3
    every, best = detector.detect_all(planes, [0, 1, 2]), detector.detect(planes, [0, 1, 2])
    assert [len(boxes) for boxes in every] == [30, 30, 30]
    assert np.array_equal(np.stack([boxes[0] for boxes in every]), best)
    two = make("rtdetrv2", options, tmp_path, animals=2, animal=1)
    assert two.detect(planes, [0, 1, 2]).shape == (3, 5)
