"""Validation of what users write: one sentence a refusal, with the nearest valid name."""

from __future__ import annotations

import copy
import difflib
import functools
import types
import typing
from collections.abc import Hashable
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from workflow_scripts.core.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of every configuration model: unknown keys are refused, objects are frozen.

    A mapping given for a field that is itself a model is laid over that field's default, so that naming one key leaves
    the others as the owner of the field sets them, not as the field's class does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _over_the_fields_defaults(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        defaults = {name: field.default for name, field in cls.model_fields.items() if name in value}
        return value | {
            name: deep_merge(default.model_dump(exclude_unset=True), value[name])
            for name, default in defaults.items()
            if isinstance(default, BaseModel) and isinstance(value[name], dict)
        }

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


def _members(annotation: Any) -> list[Any]:
    """Return the kinds a value may be of, None left out: several only for a union."""
    if get_origin(annotation) in (Union, UnionType):
        return [arg for arg in get_args(annotation) if arg is not type(None)]
    return [annotation]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _walk(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[Any, int | None]:
    """Follow a validation error's location.

    Returns
    -------
    annotation : type or None
        What should be there; None where that is no more known.
    branch : int or None
        Position in the location of the name of a union's member, which no user wrote.
    """
    current: Any = model
    branch = None
    for k, step in enumerate(location):
        members = _members(current)
        if len(members) > 1:
            current = next((m for m in members if getattr(m, "__name__", str(m)) == step), None)
            branch = k
        elif _is_model(members[0]):
            field = members[0].model_fields.get(str(step))
            current = None if field is None else field.annotation
        else:
            inner = get_args(members[0])
            current = inner[-1] if inner else None
        if current is None:
            break
    return current, branch


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Find the model that is at a validation error's location, to name its valid keys."""
    found: type[BaseModel] | None = next(
        (member for member in _members(_walk(model, location)[0]) if _is_model(member)), None
    )
    return found


def _of_one_branch(problems: list[ErrorDetails], model: type[BaseModel]) -> list[ErrorDetails]:
    """Keep, of a value that may be of several kinds, the problems of the kind it is likeliest meant to be.

    That is the kind with the fewest problems, and among equals the one whose required keys are there.
    """
    _, branch = _walk(model, problems[0]["loc"])
    if branch is None:
        return problems
    place = problems[0]["loc"][:branch]
    kinds: dict[str, list[ErrorDetails]] = {}
    for problem in problems:
        if problem["loc"][:branch] == place and len(problem["loc"]) > branch:
            kinds.setdefault(str(problem["loc"][branch]), []).append(problem)

    def unlikely(name: str) -> tuple[int, int]:
        kind = _model_at(model, (*place, name))
        required = [field for field in kind.model_fields.values() if field.is_required()] if kind else []
        lacking = sum(problem["type"] == "missing" for problem in kinds[name])
        return len(kinds[name]), lacking - len(required)

    return kinds[min(kinds, key=unlikely)]


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
    problems = _of_one_branch(error.errors(), model)
    # An unknown key is the likeliest typing error, so it is named first.
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    _, branch = _walk(model, first["loc"])
    place = ".".join(str(step) for k, step in enumerate(first["loc"]) if k != branch)
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
