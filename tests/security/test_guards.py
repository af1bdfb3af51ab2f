"""Nothing dangerous is called: no shell, no unpickling, no evaluation, no archive unpacked by its own names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "workflow_scripts").rglob("*.py"))

FORBIDDEN = {
    "os.system": "subprocess.run with a list",
    "os.popen": "subprocess.run with a list",
    "eval": "a parser",
    "exec": "an import",
    "pickle.load": "sources/shared/npy_objects.py or weights_only",
    "pickle.loads": "sources/shared/npy_objects.py or weights_only",
    "pickle.Unpickler": "a subclass whose find_class allows a list",
    "joblib.load": "safetensors",
    "dill.load": "safetensors",
    "shelve.open": "JSON",
    "marshal.loads": "JSON",
    "yaml.full_load": "files.read_yaml",
    "yaml.unsafe_load": "files.read_yaml",
    "pd.read_pickle": "sources/shared/npy_objects.py",
    "xml.etree.ElementTree.parse": "a parser without entities",
    "tempfile.mktemp": "files.atomic_path",
}
METHODS = {"extractall": "fetch/archive.py, which checks every member's name, kind and size"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_dangerous_call(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        assert name not in FORBIDDEN, f"{path.name}:{node.lineno}: {name}; use {FORBIDDEN[name]}"
        if isinstance(node.func, ast.Attribute):
            method = node.func.attr
            assert method not in METHODS, f"{path.name}:{node.lineno}: {method}; use {METHODS[method]}"
        for keyword in node.keywords:
            given = ast.unparse(keyword.value)
            assert not (keyword.arg == "shell" and given != "False"), f"{path.name}:{node.lineno}: {name} with a shell"
            loads = name.endswith("load") and keyword.arg == "allow_pickle"
            assert not (loads and given != "False"), f"{path.name}:{node.lineno}: allow_pickle"
            assert not (keyword.arg == "weights_only" and given != "True"), f"{path.name}:{node.lineno}: weights_only"


GUARDED = {"torch.load": "weights_only", "np.load": "allow_pickle", "numpy.load": "allow_pickle"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_loads_name_their_guard(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in GUARDED:
            assert GUARDED[name] in {keyword.arg for keyword in node.keywords}, f"{path.name}:{node.lineno}: {name}"


SOURCES = sorted((ROOT / "workflow_scripts" / "sources").rglob("*.py"))


def test_values_of_foreign_hdf5_are_read_after_a_look_at_their_size() -> None:
    """Sources read datasets whole through `read_values`; `node[()]` would believe the size."""
    for path in SOURCES:
        if path.name in {"pickles.py", "npy_objects.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Subscript) and ast.unparse(node.slice) == "()" and "asstr" not in ast.unparse(node):
                raise AssertionError(f"{path.name}:{node.lineno}: {ast.unparse(node)}; use formats.hdf5.read_values")


def test_sources_read_whole_files_within_limits() -> None:
    for path in SOURCES:
        if path.name == "daart_csv.py":  # which reads back what it has just written
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                whole = node.func.attr in {"read_bytes", "read_text"}
                assert not whole, f"{path.name}:{node.lineno}: use read_bounded, or read_text of shared/text.py"


def test_the_guards_would_notice(tmp_path: Path) -> None:
    for line in ("import os\nos.system('ls')", "import subprocess\nsubprocess.run('ls', shell=True)", "eval('1')"):
        bad = tmp_path / "bad.py"
        bad.write_text(line)
        with pytest.raises(AssertionError):
            test_no_dangerous_call(bad)
    bad.write_text("import torch\ntorch.load('x')")
    with pytest.raises(AssertionError):
        test_loads_name_their_guard(bad)


def test_rules_quote_what_they_are_given() -> None:
    """File names and settings reach the shell quoted: every input, output, log and free text has `:q`."""
    import re

    for path in (ROOT / "rules").glob("*.smk"):
        for line in path.read_text().splitlines():
            if not line.strip().startswith(('"', "'")) and "python -m" not in line:
                continue
            for field in re.findall(r"\{((?:input|output|log)[\w.]*)\}", line):
                raise AssertionError(f"{path.name}: {{{field}}} is not quoted: {line.strip()}")


def test_only_files_of_the_user_are_ancient() -> None:
    """What a rule makes must not be: Snakemake would not see that it changed, and run nothing that follows from it."""
    uses = [
        line.strip()
        for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
        for line in path.read_text(encoding="utf-8").splitlines()
        if "ancient" in line
    ]
    assert uses
    assert all("PLAN.files(PLAN." in line and line.endswith(", ancient),") for line in uses), uses


def _stored(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def test_handlers_use_no_name_that_their_try_may_not_have_reached() -> None:
    """Such a name is an UnboundLocalError on the file that fails first, and hides what was wrong with it."""
    found = []
    for path in FILES:
        functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
        for function in functions:
            names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
            for block in [node for node in ast.walk(function) if isinstance(node, ast.Try)]:
                within = set().union(*map(_stored, block.body))
                before = {name.id for name in names if isinstance(name.ctx, ast.Store) and name.lineno < block.lineno}
                for handler in block.handlers:
                    own = set().union(*map(_stored, handler.body))
                    used = {part.id for part in ast.walk(handler) if isinstance(part, ast.Name)} - own
                    found += [f"{path}:{handler.lineno}: {name}" for name in sorted(used & within - before)]
    assert found == []
