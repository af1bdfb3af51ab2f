"""The five functions of the method `rat_direction`, for images instead of tracks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import validate
from workflow_scripts.formats.images import ImageSet
from workflow_scripts.methods.rat_direction import augment
from workflow_scripts.methods.rat_direction.config import AugmentOptions, Config
from workflow_scripts.methods.rat_direction.data import DirectionData, divide
from workflow_scripts.methods.rat_direction.figures import angle_traces, training_log
from workflow_scripts.methods.rat_direction.locate import frame_rate, tag_video
from workflow_scripts.methods.rat_direction.module import DirectionNet, predict_points
from workflow_scripts.methods.rat_direction.movie import read_stack, tag_movie
from workflow_scripts.training.curves import save_figure
from workflow_scripts.training.devices import batch_of
from workflow_scripts.training.metrics import read_metrics
from workflow_scripts.training.weights import read_checkpoint
from workflow_scripts.views.images import ImageSpec, ImageView


def prepare(view: ImageView, config: Config) -> DirectionData:
    """Return the batches of a split.

    Validation images are the split's where it names any and the mode is sound, else a part of the training images.
    """
    config = config.resolved()
    train, validation = view.train(), view.validation()
    if len(validation) and config.mode == "sound":
        return DirectionData(train, validation, config)
    return DirectionData(*divide(train, config, view.train_copies()), config)


def augment_file(data: Path, output: Path, index: Path, options: dict[str, Any], seed: int) -> None:
    """Write the 64 copies of a dataset's frames and a csv of their factors."""
    checked = validate(AugmentOptions, options, where="methods.rat_direction.copies")
    augment.augment_file(data, output, checked, seed, index=index)


def finish(folder: Path) -> None:
    """Draw `training_log.png` as the original leaves it."""
    save_figure(training_log(read_metrics(folder / "metrics.csv")), folder / "training_log.png")


def build(config: Config, spec: ImageSpec) -> DirectionNet:
    """Return the untrained network."""
    return DirectionNet(config.resolved(), spec)


@torch.inference_mode()
def embed(model: DirectionNet, images: ImageSet) -> npt.NDArray[np.float32]:
    """Embed every image, float32 (n, dim)."""
    model.eval()
    found = np.empty((len(images), model.dimensions), np.float32)
    many = batch_of(512)
    for start in range(0, len(images), many):
        part = torch.from_numpy(images.images[start : start + many]).to(model.device)
        found[start : start + many] = model.embed(part).cpu().numpy()
    return found


def predict(model: DirectionNet, images: ImageSet) -> dict[str, npt.NDArray[np.float32]]:
    """Find the points of every image: under the key `points`, float32 (n, n_points, 2) in pixels."""
    return {"points": predict_points(model, images.images)}


def predict_file(model: DirectionNet, file: Path, folder: Path, *, overlay: bool = True) -> list[Path]:
    """Find points and directions in every frame of a video, or of a stack of crops.

    Parameters
    ----------
    model : DirectionNet
    file : Path
        A video, in which the moving animal is located and cut out first, or a stack of images of the model's size: npz
        with the key `images`, or npy, which is read piece by piece.
    folder : Path
        Gets `angles.csv`, `angles.png` and `movie.mp4`.
    overlay : bool
        Write `movie.mp4`.

    Raises
    ------
    InputError
        When the file is unreadable, its images have another size, or nothing moves in the video.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if file.suffix in (".npz", ".npy"):
        tag_movie(model, read_stack(file, model.spec), folder, overlay=overlay)
    else:
        table = tag_video(model, file, folder / "angles.csv", folder / "movie.mp4" if overlay else None)
        save_figure(angle_traces(table, frame_rate(file)), folder / "angles.png")
    return [folder / "angles.csv", folder / "angles.png", *([folder / "movie.mp4"] if overlay else [])]


def import_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Read a state dict of our network from a torch file.

    The original saves its whole model as a pickle, of an architecture it does not publish: such a file cannot be read
    without running it, and is refused.

    Raises
    ------
    InputError
        When the file holds anything but tensors by name.
    """
    state = read_checkpoint(path)
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(path, "is no state dict of tensors", "save model.state_dict() from the code that made it")
    return state


def dimension_names(model: DirectionNet) -> list[str]:
    """Name the dimensions of the embedding: channel and quarter of the image."""
    quarters = ("top left", "top right", "bottom left", "bottom right")
    return [f"channel {channel} {quarter}" for channel in range(4 * model.config.width) for quarter in quarters]
