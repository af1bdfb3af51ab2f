"""Options of the rat direction extractor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import Strict
from workflow_scripts.methods import Options, Vocabularies
from workflow_scripts.training.options import LoopOptions

MODES: dict[str, dict[str, Any]] = {
    "faithful": {
        "head": "dense",
        "augment": "stored",
        "holdout": "copy",
        "bootstrap": True,
        "learning_rate": 3e-4,
    },
    "sound": {
        "head": "heatmap",
        "augment": "affine",
        "holdout": "frame",
        "bootstrap": False,
        "learning_rate": 4e-3,
    },
}
"""What the options left empty mean in each mode."""


class AugmentOptions(Strict):
    """Strength of the random factors of the 64 copies."""

    noise_sd: float = Field(8.0, ge=0, le=60, description="Standard deviation of the pixel noise, grey values of 255.")
    shift: int = Field(3, ge=0, le=20, description="Largest shift in pixels, each way; the edge is repeated.")
    label_sd: float = Field(0.5, ge=0, description="Standard deviation of the label noise in pixels.")


class AffineOptions(Strict):
    """Free turns, flips and scales while training."""

    scale: float = Field(0.15, ge=0, lt=1, description="Largest relative change of size, each way.")
    shift: float = Field(3.0, ge=0, description="Largest shift in pixels, each way.")
    contrast: float = Field(0.3, ge=0, lt=1, description="Largest relative change of contrast; brightness half of it.")
    noise_sd: float = Field(4.0, ge=0, description="Standard deviation of the pixel noise, grey values of 255.")


class Config(Options):
    """Options of the rat direction extractor.

    The mode decides what is left empty: `faithful` is the published recipe with its faults (its validation images are
    copies of training images), `sound` holds out source frames and trains on the fly.
    """

    neural: ClassVar[bool] = True
    kind: ClassVar[str] = "images"
    predicts: ClassVar[bool] = True
    seeded: ClassVar[bool] = True
    faithful: ClassVar[bool] = True
    mode_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = MODES

    mode: Literal["sound", "faithful"] = Field("sound", description="Statistics as they should be, or as published.")
    seed: int = Field(0, ge=0, description="Set by the run.")
    width: int = Field(
        8, ge=4, le=128, description="Half the channels of the first maps; deeper ones have twice as many."
    )
    head: Literal["dense", "heatmap"] | None = Field(
        None, description="Six numbers from a dense layer (faithful), or the centres of three heat maps (sound)."
    )
    augment: Literal["stored", "given", "copies", "affine"] | None = Field(
        None,
        description="The 64 stored copies (faithful), the dataset's images, which are copies already, the 64 copies "
        "drawn on the fly, or free turns and scales (sound).",
    )
    holdout: Literal["copy", "frame", "animal"] | None = Field(
        None, description="What validation holds out where the split names none: copies (faithful) or frames (sound)."
    )
    bootstrap: bool | None = Field(None, description="Draw the copies with replacement first; true in faithful mode.")
    validation_fraction: float = Field(0.125, gt=0, lt=1, description="Part held out for validation.")
    batch: int = Field(64, ge=1, description="Images a step.")
    draws: int = Field(16, ge=1, description="Times an epoch sees each frame, where copies are drawn on the fly.")
    learning_rate: float | None = Field(None, gt=0, description="AdamW's; 3e-4 in faithful mode, else 4e-3.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's.")
    tta: bool = Field(False, description="Average the predictions over the eight turns and flips of an image.")
    copies: AugmentOptions = AugmentOptions()
    affine: AffineOptions = AffineOptions()
    training: LoopOptions = LoopOptions(max_epochs=40)

    def stored_copies(self, mode: str) -> dict[str, Any] | None:
        """Options of the 64 copies, where training reads them from a file."""
        stored = self.augment or MODES[mode]["augment"]
        return self.copies.model_dump(mode="json") if stored == "stored" else None

    def resolved(self, mode: str | None = None, vocabularies: Vocabularies | None = None) -> Self:
        """Return the options as they run, as the mode says.

        Raises
        ------
        ConfigError
            When copies are to be held out that are not stored.
        """
        config = super().resolved(mode, vocabularies)
        if config.holdout == "copy" and config.augment not in ("stored", "given"):
            raise ConfigError(
                "methods.rat_direction: holdout: copy needs augment: stored (or given); other copies are not kept."
            )
        return config
