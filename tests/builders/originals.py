"""Checkpoints in the layout of published programs, written from our models."""

from workflow_scripts.methods.bams.module import Bams


def original_checkpoint(model: Bams) -> dict:
    """The same weights under the names of the original, whose blocks list their layers twice."""
    state = {}
    for name, tensor in model.state_dict().items():
        if name in {"shift", "scale", "edges"}:
            continue
        name = name.replace(".conv2.parametrizations.weight.original0", ".conv2.weight_g")
        name = name.replace(".conv2.parametrizations.weight.original1", ".conv2.weight_v")
        state[name] = tensor
        for number, part in ((0, "conv1"), (2, "relu1"), (4, "conv2"), (6, "relu2")):
            if f".{part}." in name:
                state[name.replace(f".{part}.", f".net.{number}.")] = tensor
    return state
