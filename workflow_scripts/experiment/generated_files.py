"""The files generated from the configuration's models: `config/default.yaml` (commented) and `config/schema.json`."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from workflow_scripts import methods
from workflow_scripts.cards.card import Card
from workflow_scripts.experiment.runs import JOINT
from workflow_scripts.experiment.schema import Configuration

HEADER = """\
# Every setting, with its meaning and its default. Generated from the models in workflow_scripts/ by
# `ethomake config --write`; do not edit it. Put your own settings into config/config.yaml or into an experiment,
# and name only what you change.
"""


def _listed() -> list[str]:
    """Methods that are named under `methods`: joint rows have a key of their own."""
    return [name for name in methods.names() if name != JOINT]


def _comment(text: str, indent: str) -> list[str]:
    width = 116 - len(indent)
    return [f"{indent}# {line}" for line in textwrap.wrap(text, width)]


def _scalar(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()


def _choices(field: FieldInfo) -> str:
    found = getattr(field.annotation, "__args__", ())
    names = [arg for arg in found if isinstance(arg, str)]
    return f" One of: {', '.join(names)}." if names else ""


def _model_lines(model: type[BaseModel], indent: str, owner: BaseModel | None = None) -> list[str]:
    """Lines of a model; its defaults are those of `owner`, an instance that a field has for its default."""
    lines: list[str] = []
    for name, field in model.model_fields.items():
        text = (field.description or "") + _choices(field)
        if text:
            lines += _comment(text, indent)
        default = field.get_default(call_default_factory=True) if owner is None else getattr(owner, name)
        if isinstance(default, BaseModel):
            lines.append(f"{indent}{name}:")
            lines += _model_lines(type(default), f"{indent}  ", default)
        elif field.is_required():
            lines.append(f"{indent}# {name}: (required)")
        else:
            plain = json.loads(model.model_construct(**{name: default}).model_dump_json(include={name}))[name]
            lines.append(f"{indent}{name}: {_scalar(plain)}")
    return lines


def default_yaml() -> str:
    """Return every setting as commented YAML: the configuration, then each method's options."""
    lines = [HEADER, *_model_lines(Configuration, "")]
    lines += ["", "# Options of the methods, each under `methods.<name>`:"]
    for name in _listed():
        lines += ["#", f"#   {name}:"]
        lines += [f"#   {line}" for line in _model_lines(methods.config_model(name), "  ")]
    return "\n".join(lines) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration file, methods' options included, for editors and validators."""
    whole = Configuration.model_json_schema()
    known = {}
    for name in _listed():
        options = methods.config_model(name).model_json_schema(ref_template=f"#/$defs/method_{name}/$defs/{{model}}")
        whole.setdefault("$defs", {})[f"method_{name}"] = options
        known[name] = {"$ref": f"#/$defs/method_{name}"}
    properties = whole["properties"]
    properties["methods"] |= {"properties": known, "additionalProperties": False}
    properties["extends"] = {"type": "string", "description": "Experiment this one is an overlay of."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "EthoMake configuration"} | whole


def generated(root: Path) -> dict[Path, str]:
    """Return the content each generated file should have, by path."""

    def as_json(value: dict[str, Any]) -> str:
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"

    return {
        root / "config" / "default.yaml": default_yaml(),
        root / "config" / "schema.json": as_json(schema()),
        root / "config" / "card.schema.json": as_json(Card.model_json_schema()),
    }
