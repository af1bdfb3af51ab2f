"""The augmentation language `name:key=value:key=value,name2…`, parsed without touching a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import nearest

KEYS: dict[str, dict[str, str | float | None]] = {
    "all_perm_id": {"p": 1.0},
    "all_perm_ax": {"p": 1.0},
    "blk_perm_id": {"p": 1.0, "frac": 0.5},
    "gauss_jitter": {"p": 1.0, "sigma": 0.01},
    "kp_ablation": {"p": 1.0, "pB": None},
    "rotation": {"p": 1.0, "max_angle": 180.0, "mode": "none"},
}
"""Augmentations with their keys and defaults; None = must be given."""

MODES = ("truncate", "rescale", "none")
_RANGES = {"p": (0.0, 1.0), "frac": (0.0, 1.0), "pB": (0.0, 1.0), "max_angle": (0.0, 180.0)}


@dataclass(frozen=True)
class Augmentation:
    """One step of the augmentation.

    Attributes
    ----------
    name : str
        A key of `KEYS`.
    p : float
        Probability that a window is changed.
    frac : float
        ``blk_perm_id``: length of the block as a share of the window.
    sigma : float
        ``gauss_jitter``: standard deviation, in the units of the model's input.
    pB : float
        ``kp_ablation``: probability that a keypoint of an individual is blanked in the whole window.
    max_angle : float
        ``rotation``: largest angle, in degrees.
    mode : {"truncate", "rescale", "none"}
        ``rotation``: how points are kept in the unit square.
    """

    name: str
    p: float = 1.0
    frac: float = 0.5
    sigma: float = 0.01
    pB: float = 0.0  # noqa: N815 - the language spells it so
    max_angle: float = 180.0
    mode: Literal["truncate", "rescale", "none"] = "none"


def _value(step: str, key: str, text: str) -> float | str:
    if key == "mode":
        if text not in MODES:
            raise ConfigError(f"augmentation {step!r}: mode must be one of {', '.join(MODES)}, found {text!r}.")
        return text
    try:
        number = float(text)
    except ValueError as error:
        raise ConfigError(f"augmentation {step!r}: {key} must be a number, found {text!r}.") from error
    low, high = _RANGES.get(key, (0.0, float("inf")))
    if not low <= number <= high or (key in {"frac", "pB", "sigma"} and number == 0) or (key == "frac" and number == 1):
        raise ConfigError(f"augmentation {step!r}: {key} must lie between {low:g} and {high:g}, found {number:g}.")
    return number


def _parse_step(text: str) -> Augmentation:
    name, *pairs = (part.strip() for part in text.split(":"))
    if name not in KEYS:
        raise ConfigError(f"There is no augmentation {name!r}{nearest(name, list(KEYS))}.")
    found: dict[str, float | str] = {}
    for pair in pairs:
        key, sign, value = (part.strip() for part in pair.partition("="))
        if not sign or key not in KEYS[name]:
            raise ConfigError(f"augmentation {name!r}: unknown key {key!r}{nearest(key, list(KEYS[name]))}.")
        found[key] = _value(name, key, value)
    for key, default in KEYS[name].items():
        if default is None and key not in found:
            raise ConfigError(f"augmentation {name!r}: {key} must be given, as in '{name}:{key}=0.1'.")
    return Augmentation(name, **found)  # type: ignore[arg-type]


def parse_augmentations(text: str) -> tuple[Augmentation, ...]:
    """Read the augmentation language.

    Parameters
    ----------
    text : str
        Steps joined by commas, each a name and ``:key=value`` pairs, e.g.
        ``"all_perm_id:p=0.5,gauss_jitter:sigma=0.02"``; empty = none.

    Returns
    -------
    tuple of Augmentation
        In the order of application.

    Raises
    ------
    ConfigError
        Unknown name or key, a value out of range, a key that is missing.
    """
    return tuple(_parse_step(step) for step in text.split(",") if step.strip())
