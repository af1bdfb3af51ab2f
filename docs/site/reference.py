"""Reference pages made from the code: options, commands, metrics, sources, datasets, experiments and refusals."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import types
import typing
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.site.formulas import FORMULAS
from docs.site.tables import ROOT, cards, dataset_table, method_table, source_table, table
from workflow_scripts import cli, methods, sources
from workflow_scripts.cards.card import Card
from workflow_scripts.experiment.schema import Configuration
from workflow_scripts.metrics.registry import METRICS

GENERATED = "<!-- Made from the code when the site is built; edit the code. -->\n\n"
PACKAGE = ROOT / "workflow_scripts"


def _type(annotation: Any) -> str:
    """Name a type as somebody who writes YAML would."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(inner[0])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(one) for one in inner if one is not type(None)))
    if origin in (list, tuple, set):
        return f"list of {_type(inner[0])}" if inner else "list"
    if origin is dict:
        return "mapping"
    plain = {str: "text", int: "whole number", float: "number", bool: "yes or no", Path: "path"}
    return plain.get(annotation, getattr(annotation, "__name__", "value").lower())


def _default(model: type[BaseModel], name: str, field: FieldInfo, owner: BaseModel | None) -> str:
    if owner is not None:
        value = getattr(owner, name)
    elif field.is_required():
        return "required"
    else:
        value = field.get_default(call_default_factory=True)  # type: ignore[call-arg]
    text = json.dumps(json.loads(model.model_construct(**{name: value}).model_dump_json(include={name}))[name])
    return "empty" if text in {"null", '""', "[]", "{}"} else f"`{text}`"


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for one in typing.get_args(annotation) for model in _models(one)]


def _rows(
    model: type[BaseModel], owner: BaseModel | None = None, prefix: str = "", above: tuple[type, ...] = ()
) -> Iterator[list[str]]:
    for name, field in model.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)  # type: ignore[call-arg]
        if owner is not None:
            default = getattr(owner, name)
        if isinstance(default, BaseModel):
            yield [f"`{prefix}{name}`", "section", "", field.description or ""]
            yield from _rows(type(default), default, f"{prefix}{name}.", above)
            continue
        yield [
            f"`{prefix}{name}`",
            _type(field.annotation),
            _default(model, name, field, owner),
            field.description or "",
        ]
        for inner in _models(field.annotation):
            if inner not in above and inner is not model:
                yield from _rows(inner, None, f"{prefix}{name}[].", (*above, model, inner))


def options(model: type[BaseModel]) -> str:
    """Return every option of a model, nested ones with dots, as a table."""
    return table(["option", "type", "default", "meaning"], list(_rows(model)))


def settings_page() -> str:
    """Return the options of experiments."""
    return (
        "# Settings of an experiment\n\nAn experiment (`config/experiments/<name>.yaml`) may set any of these; a part "
        "of a name after a dot is one level deeper in the YAML, `[]` stands for the entries of a list or mapping. "
        "Unknown keys are refused with the nearest valid name. `config/default.yaml` is the same list as YAML.\n\n"
        + options(Configuration)
        + "\n"
    )


def methods_page() -> str:
    """Return the options of each method."""
    parts = ["# Methods and their options", method_table()]
    for name in methods.names():
        parts += [f"## `{name}`", options(methods.config_model(name))]
    return "\n\n".join(parts) + "\n"


def cards_page() -> str:
    """Return the keys of a card."""
    return (
        "# Keys of a card\n\nA card (`config/datasets/<name>.yaml`) describes one dataset. "
        "`ethomake new-dataset` writes one from your files.\n\n" + options(Card) + "\n"
    )


def datasets_page() -> str:
    """Return the datasets that have a card, with licence and citation."""
    parts = ["# Datasets", dataset_table()]
    for card in cards():
        cited = "; ".join(card.citation) if isinstance(card.citation, list) else str(card.citation)
        facts = [card.description.strip(), f"Licence: {card.licence}", f"Cite: {cited}"]
        if card.tasks:
            facts.append("Tasks: " + ", ".join(f"`{name}`" for name in card.tasks))
        parts += [f"## `{card.name}`", "\n\n".join(" ".join(fact.split()) for fact in facts)]
    return "\n\n".join(parts) + "\n"


def experiments_page() -> str:
    """Return the experiments that EthoMake carries."""
    rows = []
    for path in sorted((ROOT / "config" / "experiments").glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        rows.append([f"`{path.stem}`", str(content.get("description", ""))])
    return (
        "# Experiments that come with EthoMake\n\nRun one with `ethomake run NAME`; predict what it needs with "
        "`ethomake plan NAME`.\n\n" + table(["experiment", "what it does"], rows) + "\n"
    )


def sources_page() -> str:
    """Return the formats that are read, with the options of each."""
    parts = ["# Formats that are read", source_table()]
    registries = (sources.TRACK_SOURCES, sources.LABEL_SOURCES, sources.IMAGE_SOURCES, sources.VIDEO_SOURCES)
    for name, module in sorted({name: module for known in registries for name, module in known.items()}.items()):
        try:
            loaded = importlib.import_module(f"{sources.__name__}.{module}")
        except ImportError:  # a format whose library is an extra
            continue
        found = [(kind, getattr(loaded, kind)) for kind in ("Options", "LabelOptions") if hasattr(loaded, kind)]
        for kind, model in found:
            if model.model_fields:
                parts += [f"## `{name}`" + (" (labels)" if kind == "LabelOptions" else ""), options(model)]
    return "\n\n".join(parts) + "\n"


def metrics_page() -> str:
    """Return every metric with its formula and where it comes from."""
    parts = [
        "# Metrics",
        "`{}` in a name stands for a class or a point. Counts are summed over the held-out recordings before a metric "
        "is computed; intervals are bootstrap intervals over groups. "
        "TP, FP, FN are true positives, false positives and false negatives of one class.",
    ]
    rows = []
    for metric in METRICS:
        formula, source = FORMULAS[metric.name]
        low, high = metric.bounds
        span = f"{'−∞' if low is None else f'{low:g}'} … {'∞' if high is None else f'{high:g}'}"
        better = "lower" if metric.lower_is_better else "higher"
        rows.append(
            [f"`{metric.name}`", metric.title, formula, f"{span}, {better} is better", ", ".join(metric.kinds), source]
        )
    parts.append(table(["name", "title", "formula", "range", "tasks", "source"], rows))
    return "\n\n".join(parts) + "\n"


def commands_page() -> str:
    """Return the help of each command."""
    parts = ["# Commands", "Every command of `ethomake`, as its `--help` prints it."]
    for name, text in cli.COMMANDS.items():
        module = importlib.import_module(f"{cli.__name__}.{name.replace('-', '_')}")
        parser = argparse.ArgumentParser(
            prog=f"ethomake {name}", formatter_class=lambda prog: argparse.HelpFormatter(prog, width=100)
        )
        module.arguments(parser)
        parts += [f"## {name}", text, f"```text\n{parser.format_help().strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _template(node: ast.expr) -> str:
    """Return a message with `…` for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _template(node.left) + _template(node.right)
    return "…"


def refusals() -> dict[str, list[tuple[str, str]]]:
    """Return what EthoMake refuses, by room of the package: the sentence and how to fix it."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id == "InputError" and len(node.args) == 3:
                pair = (_template(node.args[1]), _template(node.args[2]))
            elif node.func.id in {"ConfigError", "LeakError"} and len(node.args) == 1:
                problem, _, remedy = _template(node.args[0]).rpartition("; ")
                pair = (problem, remedy) if problem else (remedy, "")
            else:
                continue
            if len(pair[0].replace("…", "").strip()) > 3 and pair not in found[room]:
                found[room].append(pair)
    return dict(sorted(found.items()))


def refusals_page() -> str:
    """Return every refusal and its fix."""
    parts = [
        "# Refusals and how to fix them",
        "EthoMake refuses what it cannot use in one sentence: which file, where in it, what was expected, how to fix "
        "it. This list is read from the code; `…` stands for what is filled in. Search it for words of your message.",
    ]
    for room, pairs in refusals().items():
        rows = [[problem, remedy] for problem, remedy in pairs]
        parts += [
            f"## {room}",
            table(["what is said", "how to fix it"], rows).replace("{", "&#123;").replace("<", "&lt;"),
        ]
    return "\n\n".join(parts) + "\n"


PAGES = {
    "reference/settings.md": settings_page,
    "reference/methods.md": methods_page,
    "reference/cards.md": cards_page,
    "reference/datasets.md": datasets_page,
    "reference/experiments.md": experiments_page,
    "reference/sources.md": sources_page,
    "reference/metrics.md": metrics_page,
    "reference/commands.md": commands_page,
    "reference/refusals.md": refusals_page,
}
