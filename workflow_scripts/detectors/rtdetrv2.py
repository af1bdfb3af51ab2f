"""RT-DETRv2 on pictures resized to a square, as the seed's detector runs it; the best box of one class counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch.nn import functional

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict
from workflow_scripts.detectors.rtdetr_weights import Sampling, Size, build, load_weights
from workflow_scripts.sources import require_file
from workflow_scripts.video.frames import Planes, Region
from workflow_scripts.video.metadata import VideoInfo


class Options(Strict):
    """Options of the detector `rtdetrv2`."""

    weights: str = Field(description="Checkpoint below resources/<dataset>/; list it under the shards' `beside` too.")
    size: Size = Field("r50", description="Size of the network the weights are of.")
    sampling: Sampling = Field(
        "default", description="How the decoder samples the picture: discrete for the published files named dsp."
    )
    image_size: int = Field(640, ge=64, multiple_of=32, description="Side of the square the picture is resized to.")
    threshold: float = Field(0.4, ge=0, le=1, description="Boxes with a lower score are left out.")
    batch: int = Field(8, ge=1, description="Pictures in one pass.")


def resize(images: Sequence[npt.NDArray[np.uint8]], side: int) -> torch.Tensor:
    """Return pictures as the network takes them: float32 (n, 3, side, side) in [0, 1], the aspect not kept."""
    made = [torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255 for image in images]
    sized = [functional.interpolate(image, (side, side), mode="bilinear", antialias=True) for image in made]
    return torch.cat(sized)


def corners(boxes: torch.Tensor) -> torch.Tensor:
    """Turn centre, width and height into x1, y1, x2, y2."""
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([middle - half, middle + half], dim=-1)


class Detector:
    """Runs the network on batches of frames.

    Parameters
    ----------
    options : Options
    folder : Path
        The dataset's folder.
    """

    samples = 16

    def __init__(self, options: Options, folder: Path) -> None:
        require_file(folder / options.weights)
        self.options = options
        self.batch = options.batch
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if "dsp" in Path(options.weights).stem and options.sampling == "default":
            # The tensors have the same names and shapes either way, and give other boxes.
            raise InputError(
                folder / options.weights,
                "is by its name of the variant with discrete sampling (dsp)",
                "set sampling: discrete in the options of the detector rtdetrv2",
            )
        model = build(options.size, sampling=options.sampling)
        load_weights(folder / options.weights, model)
        self.model = model.eval().to(self.device)

    def fit(self, info: VideoInfo, samples: Sequence[Planes], region: Region | None) -> None:
        """Nothing to learn from one video."""

    @torch.inference_mode()
    def _answer(self, frames: Sequence[Planes]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield boxes (queries, 4) in pixels and scores (queries,) of each frame; batches halve on a full memory."""
        start = 0
        while start < len(frames):
            part = frames[start : start + self.batch]
            try:
                pixels = resize([planes.rgb() for planes in part], self.options.image_size).to(self.device)
                said = self.model(pixel_values=pixels)
            except torch.cuda.OutOfMemoryError:
                if self.batch == 1:
                    raise
                self.batch //= 2
                torch.cuda.empty_cache()
                continue
            height, width = part[0].y.shape
            boxes = corners(said.pred_boxes.float()).clamp(0, 1)
            boxes = boxes * boxes.new_tensor([width, height, width, height])
            scores = said.logits.float().sigmoid().amax(dim=-1)
            yield from zip(boxes.cpu(), scores.cpu(), strict=True)
            start += len(part)

    def detect(self, frames: Sequence[Planes], numbers: Sequence[int]) -> npt.NDArray[np.float32]:
        """Find the animal; see :mod:`workflow_scripts.detectors`."""
        rows = []
        for boxes, scores in self._answer(frames):
            best = int(scores.argmax())
            row = torch.cat([boxes[best], scores[best : best + 1]])
            rows.append(row if scores[best] >= self.options.threshold else torch.full((5,), torch.nan))
        return np.asarray(torch.stack(rows).numpy(), np.float32)

    def detect_all(self, frames: Sequence[Planes], numbers: Sequence[int]) -> list[npt.NDArray[np.float32]]:
        """Find every animal; see :mod:`workflow_scripts.detectors`."""
        found = []
        for boxes, scores in self._answer(frames):
            order = torch.argsort(scores, descending=True)
            order = order[scores[order] >= self.options.threshold]
            found.append(np.asarray(torch.cat([boxes[order], scores[order, None]], dim=1).numpy(), np.float32))
        return found
