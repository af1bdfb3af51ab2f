"""Validation of what users write: one sentence a refusal, with the nearest valid name."""

from __future__ import annotations

import copy
import difflib
import functools
import types
import typing
from collections.abc import Hashable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from workflow_scripts.core.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of every configuration model: unknown keys are refused, objects are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any) -> Any:
        """Refuse `fps: true`, which Python would take for 1."""
        if isinstance(value, dict):
            for name, field in cls.model_fields.items():
                if name in value and _is_number(typing.cast(Hashable, field.annotation)) and _holds_truth(value[name]):
                    raise ValueError(f"{name}: a number was expected, found {value[name]!r}"[:200])
        return value


@functools.cache
def _is_number(annotation: Any) -> bool:
    """Whether a type is that of numbers, or of lists of them, and takes no truth value."""
    parts = [part for part in typing.get_args(annotation) if part is not type(None) and part is not Ellipsis]
    if typing.get_origin(annotation) is typing.Annotated:
        return _is_number(parts[0])
    if not parts:
        return annotation in (int, float)
    return typing.get_origin(annotation) in (list, tuple, types.UnionType, typing.Union) and all(map(_is_number, parts))


def _holds_truth(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(isinstance(v, bool) for v in value))


def _all_keys(model: type[BaseModel]) -> list[str]:
    return list(model.model_fields)


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Find the model that stands at a validation error's location, to name its valid keys."""
    current: Any = model
    for step in location:
        fields = getattr(current, "model_fields", None)
        if isinstance(step, str) and fields and step in fields:
            current = fields[step].annotation
        current = _inner_model(current, step)
        if current is None:
            return None
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _inner_model(annotation: Any, step: int | str) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [_inner_model(arg, step) for arg in getattr(annotation, "__args__", ())]
    models = [item for item in found if item is not None]
    for item in models:  # a union's branch is named in the location
        if getattr(item, "__name__", None) == step:
            return item
    return models[0] if models else None


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """Say in one sentence what is wrong with a configuration.

    Parameters
    ----------
    error : ValidationError
    model : type
        The model that refused.
    where : str
        Name of the file or section, first in the sentence.
    """
    problems = error.errors()
    # An unknown key is the likeliest typing error, so it is named first.
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    place = ".".join(str(step) for step in first["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        parent = _model_at(model, first["loc"][:-1])
        keys = _all_keys(parent) if parent else []
        return f"{where}: unknown key {place!r}{nearest(str(first['loc'][-1]), keys)}{more}."
    message = first["msg"].removeprefix("Value error, ")
    found = "" if first["type"] == "missing" else f", found {first['input']!r}"
    if len(found) > 80:
        found = ""
    return f"{where}: {place or 'the whole'}: {message[0].lower()}{message[1:]}{found}{more}."


def nearest(word: str, known: list[str]) -> str:
    """Return `; did you mean 'x'?`, or the list of what is valid, for the end of a sentence."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; valid are: {', '.join(sorted(known))}" if known else ""


def validate(model: type[Model], value: Any, where: str) -> Model:
    """Validate `value` against `model`.

    Raises
    ------
    ConfigError
        One sentence naming `where`, the key, what was expected, and the nearest valid name.
    """
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected a mapping of keys to values, found {type(value).__name__}.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ConfigError(explain(error, model, where)) from error


def deep_merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Lay `overlay` over `base`: mappings merge key by key, everything else is replaced."""
    merged = copy.deepcopy(base)
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = deep_merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged
