"""A digest of the code a rule runs: Snakemake cannot see edits of an installed package by itself."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.name


def _file(module: str) -> Path | None:
    base = PACKAGE.parent.joinpath(*module.split("."))
    if base.with_suffix(".py").is_file():
        return base.with_suffix(".py")
    init = base / "__init__.py"
    return init if init.is_file() else None


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(module: str) -> frozenset[str]:
    """Return the modules of this package that `module` imports, at any depth of nesting in its code."""
    path = _file(module)
    if path is None:
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in found if name.split(".")[0] == ROOT and _file(name))


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
    # The syntax tree, so that comments and layout do not retrain a model.
    whole = hashlib.sha256(ast.dump(_tree(path)).encode())
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
        16 hexadecimal digits; changes with the code (and with a package's templates), not with comments or
        layout.
    """
    whole = hashlib.sha256()
    for module in closure(tuple(f"{ROOT}.{name}" for name in modules)):
        whole.update(f"{module} {_fingerprint(module)}\n".encode())
    return whole.hexdigest()[:16]
