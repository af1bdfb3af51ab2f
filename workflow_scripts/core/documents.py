"""JSON and YAML from anybody: regular files of bounded size, depth and digits, in which no key is repeated."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from workflow_scripts.core import limits
from workflow_scripts.core.boundary import DamageError, reading
from workflow_scripts.core.errors import InputError

_LONG_NUMBER = re.compile(rf"\d{{{limits.DIGITS + 1}}}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def require_plain(path: str | Path) -> int:
    """Refuse what is no regular file, before it is opened: a pipe would wait for ever, a device never end.

    Returns
    -------
    int
        Size in bytes.

    Raises
    ------
    InputError
        When the path is absent, a folder, a pipe, a socket or a device.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise InputError(path, "may not be read", "change its permissions") from error
        raise InputError(path, "the file does not exist", "check the name and the path") from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(path, "is a folder, not a file", "name the file in it")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(path, "is a pipe, a socket or a device, not a regular file", "copy its content into a file")
    return status.st_size


def require_inside(folder: str | Path, path: str | Path, *others: str | Path) -> None:
    """Refuse a file that, once links are followed, is outside the folder it was found in (and outside `others`).

    Raises
    ------
    InputError
    """
    place = Path(path).resolve()
    if not any(place.is_relative_to(Path(above).resolve()) for above in (folder, *others)):
        raise InputError(path, f"is a link out of the folder {folder}", "put the file itself there")


def read_bounded(path: str | Path, most: int) -> bytes:
    """Read a regular file whole, unless it is longer than `most` bytes or than memory allows.

    Raises
    ------
    InputError
    """
    size = require_plain(path)
    limits.require_most(path, "its size in bytes", size, most)
    limits.require_memory(path, "the file", size)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})", "check its permissions") from error


def _text(path: str | Path, most: int, kind: str) -> str:
    raw = read_bounded(path, most)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(
            path, f"is not valid {kind} (line {line} is not UTF-8 text)", "save it again in UTF-8"
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _DocumentError(f"the key {twice[:60]!r} is there twice")
    return found


class _DocumentError(DamageError):
    """A document that is refused; becomes an InputError with the file's name."""


def parse_json(text: str | bytes) -> Any:
    """Parse JSON of bounded depth and digits, without repeated keys.

    Raises
    ------
    ValueError
        Says what is wrong, in a few words.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    if _LONG_NUMBER.search(text):
        raise _DocumentError(f"it holds a number of more than {limits.DIGITS} digits")
    try:
        value = json.loads(text, object_pairs_hook=_unique)
        if _SURROGATE.search(text):  # half a character could not be written anywhere
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise _DocumentError("it is nested too deeply") from error
    except UnicodeEncodeError as error:
        raise _DocumentError("it holds half a character") from error
    return value


def read_json(path: str | Path) -> Any:
    """Read a JSON file; limits are those of :mod:`workflow_scripts.core.limits`.

    Raises
    ------
    InputError
        When the file is absent, is no regular file or is not JSON.
    """
    text = _text(path, limits.JSON_BYTES, "JSON")
    try:
        return parse_json(text)
    except ValueError as error:
        problem = " ".join(str(error).split())[:200]
        raise InputError(path, f"is not valid JSON ({problem})", "write it again") from error


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeyLoader(_Loader):  # type: ignore[misc]
    """Safe YAML in which a repeated key is an error: the later one would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in getattr(node, "value", []):
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    line = key_node.start_mark.line + 1
                    raise yaml.constructor.ConstructorError(None, None, f"line {line}: the key {key!r} is there twice")
                seen.add(key)
        return super().construct_mapping(node, deep=deep)  # type: ignore[no-any-return]


def _check_events(text: str) -> None:
    """Refuse YAML that is too deep or swells by its aliases, before anything is built of it.

    The events come without recursion; building the tree recurses, in C, and a deep file ends the process.
    """
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    count = added = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, count))
            count += 1
            if len(opened) > limits.DEPTH:
                raise _DocumentError(f"line {line}: it is nested more than {limits.DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = count - before
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise _DocumentError(f"line {line}: the alias *{event.anchor} names nothing finished before it")
            count += sizes[event.anchor]
            added += sizes[event.anchor]
            if added > limits.ALIASES:
                raise _DocumentError(f"line {line}: its aliases stand for more than {limits.ALIASES} values")
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor:
                sizes[event.anchor] = 1
            plain = event.implicit[0] if event.implicit else False
            if plain and len(event.value) > limits.DIGITS and _LONG_NUMBER.search(event.value.replace("_", "")):
                raise _DocumentError(f"line {line}: it holds a number of more than {limits.DIGITS} digits")


def parse_yaml(text: str) -> Any:
    """Parse YAML: safe types only, repeated keys, deep nesting and swelling aliases refused.

    Raises
    ------
    ValueError, yaml.YAMLError
    """
    _check_events(text)
    return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader subclass


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file: safe types only, repeated keys refused; limits as for :func:`read_json`.

    Raises
    ------
    InputError
        When the file is absent, is no regular file or is not such YAML.
    """
    text = _text(path, limits.YAML_BYTES, "YAML")
    with reading(path, "YAML", "fix that place"):
        try:
            return parse_yaml(text)
        except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
            problem = " ".join(str(error).split())[:300]
            raise InputError(path, f"is not valid YAML ({problem})", "fix that place") from error
