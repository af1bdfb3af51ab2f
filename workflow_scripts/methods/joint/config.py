"""Options of joint runs: the workflow fills them in, from the key `joint` of the experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.validation import Strict, validate
from workflow_scripts.methods import Options, Vocabularies

FILES = ("model.safetensors", "config.yaml")
"""What the exported model of a member consists of."""


class Member(Strict):
    """A model whose embedding is part of the joint one; a list keeps the order of their columns."""

    name: str = Field(description="Name of its dimensions.")
    folder: str = Field("", description="Folder of its exported model.")
    method: str = Field("", description="Name of its method; empty = as the exported model says.")
    options: dict[str, Any] = Field({}, description="Options of its method.")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.method == "joint":
            raise ValueError("a joint run cannot be a member of another one")
        if self.method:
            try:
                methods.parse(self.method, self.options)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return self

    def read(self) -> Member:
        """Fill in method and options from the exported model."""
        found = read_yaml(Path(self.folder) / "config.yaml")
        filled = self.model_dump() | {"method": found.get("method"), "options": found.get("options")}
        return validate(Member, filled, where=f"{self.folder}/config.yaml")


class Config(Options):
    """Filled in by the workflow: rows are named under the key `joint` (docs/joint.md)."""

    predicts: ClassVar[bool] = True

    members: list[Member] = Field([], description="The models, in the order of their columns.")

    def readout(self) -> str | None:
        """``native`` where two members or more predict by themselves, whose mean it is."""
        known = [methods.parse(member.method, member.options) for member in self.members if member.method]
        return super().readout() if sum(options.readout() is not None for options in known) > 1 else None

    def files(self) -> list[str]:
        """Files of the members' exported models."""
        return [f"{member.folder}/{name}" for member in self.members if member.folder for name in FILES]

    def resolved(self, mode: str | None = None, vocabularies: Vocabularies | None = None) -> Self:
        """Take method and options of each member from its exported model, unless they are there."""
        filled = super().resolved(mode, vocabularies)
        return filled.model_copy(
            update={"members": [member if member.method else member.read() for member in filled.members]}
        )
