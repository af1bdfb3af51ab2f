"""`hparams.yaml` and `config.yaml` of runs, as they are read: somebody else may have sent them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from workflow_scripts import methods
from workflow_scripts.core.boundary import reading
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.validation import validate
from workflow_scripts.views.registry import SPECS


class SavedRun(BaseModel):
    """What is needed of a run's configuration; the rest is for people."""

    model_config = ConfigDict(extra="allow")

    method: str
    options: dict[str, Any]
    spec: dict[str, Any]


def read_run(path: Path) -> dict[str, Any]:
    """Read the configuration of a trained model, with its options and the specification of its data checked.

    Raises
    ------
    EthoMakeError
        When the file is absent, lacks a key, or its method, options or specification are none of ours.
    """
    config: dict[str, Any] = read_yaml(path)
    saved = validate(SavedRun, config, where=str(path))
    model = methods.config_model(saved.method)
    methods.parse(saved.method, saved.options)
    with reading(path, "the configuration of a run", "use the file that training wrote"):
        SPECS[model.kind].from_dict(saved.spec)
    return config
