"""A digest of the code a rule runs: Snakemake cannot see edits of an installed package by itself."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypedDict

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.files import write_text

PACKAGE = Path(__file__).parents[1]
ROOT = PACKAGE.name

# Every job on a cluster reads the rules twice, and reading syntax trees is most of that: what a file's bytes gave once
# is kept beside Python's own cache. It is looked up by those bytes, so it cannot be out of date.
KEPT = PACKAGE / "__pycache__" / f"digests-{sys.implementation.cache_tag}.json"
MOST_KEPT = 2000
"""Files kept before it starts again: every edit leaves the old one behind."""


class _Module(TypedDict):
    """What is taken from one file."""

    imports: list[str]
    code: str


@cache
def _file(module: str) -> Path | None:
    base = PACKAGE.parent.joinpath(*module.split("."))
    if base.with_suffix(".py").is_file():
        return base.with_suffix(".py")
    init = base / "__init__.py"
    return init if init.is_file() else None


@cache
def _kept() -> dict[str, _Module]:
    """Files read before, by the checksum of their bytes."""
    try:
        kept = json.loads(KEPT.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


_NEW: dict[str, _Module] = {}
_OWN = Path(__file__).read_bytes()  # another way of reading files makes other digests


def _keep() -> None:
    """Keep what was read since the last time; a folder that may not be written to is read again each time."""
    known = _kept()
    if _NEW.keys() <= known.keys():
        return
    with suppress(EthoMakeError, OSError):
        write_text(KEPT, json.dumps((known if len(known) < MOST_KEPT else {}) | _NEW))
    known |= _NEW


SAID = {"debug", "info", "warning", "error", "exception", "critical", "warn", "print"}
"""Calls that only tell a person something."""

SHOWN = {"description", "help"}
"""Keyword arguments that only tell a person something."""


class _Prose(ast.NodeTransformer):
    """Takes out of a syntax tree what is written for people and changes no result."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Remove docstrings and texts below attributes; empty the calls that only tell something."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return ast.copy_location(ast.Pass(), node)  # a body may consist of nothing else
        self.generic_visit(node)
        if isinstance(node.value, ast.Call):
            function = node.value.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in SAID:
                node.value.args, node.value.keywords = [], []
        return node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """Remove what only a type checker reads."""
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None if not node.orelse else self.generic_visit(ast.If(node.test, [ast.Pass()], node.orelse))
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Keep what is raised and not what it says."""
        self.generic_visit(node)
        if isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST | None:
        """Remove descriptions of options."""
        return None if node.arg in SHOWN else self.generic_visit(node)


@cache
def _read(path: Path) -> _Module:
    source = path.read_bytes()
    key = hashlib.sha256(_OWN + source).hexdigest()
    kept = _kept().get(key)
    if kept is not None:
        return kept
    # The syntax tree without its prose, so that comments, layout, docstrings and messages do not retrain a model.
    tree = _Prose().visit(ast.parse(source))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    code = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    _NEW[key] = {"imports": sorted(name for name in found if name.split(".")[0] == ROOT), "code": code}
    return _NEW[key]


@cache
def imports(module: str) -> frozenset[str]:
    """Return the modules of this package that `module` imports, at any depth of nesting in its code."""
    path = _file(module)
    return frozenset() if path is None else frozenset(name for name in _read(path)["imports"] if _file(name))


def closure(modules: tuple[str, ...]) -> list[str]:
    """Return `modules` and all they import from this package, sorted."""
    reached: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting.extend(imports(module))
    return sorted(reached)


@cache
def _fingerprint(module: str) -> str:
    path = _file(module)
    if path is None:
        raise ModuleNotFoundError(module)
    whole = hashlib.sha256(_read(path)["code"].encode())
    if path.name == "__init__.py":
        for template in sorted(path.parent.glob("templates/*")):
            whole.update(template.name.encode() + template.read_bytes())
    return whole.hexdigest()


@cache
def code_digest(*modules: str) -> str:
    """Digest the code of `modules` and of everything they import from this package.

    Parameters
    ----------
    *modules : str
        Names relative to the package, e.g. ``"stages.convert"``; a package stands for its `__init__`.

    Returns
    -------
    str
        16 hexadecimal digits; changes with the code (and with a package's templates), not with comments, layout,
        docstrings, messages or descriptions.
    """
    whole = hashlib.sha256()
    for module in closure(tuple(f"{ROOT}.{name}" for name in modules)):
        whole.update(f"{module} {_fingerprint(module)}\n".encode())
    _keep()  # at once, since jobs on a cluster start while this process lives
    return whole.hexdigest()[:16]
