"""What the MABe 2022 evaluator asks of embeddings: tasks, their order, seeds and penalties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from workflow_scripts.sources.mabe22 import is_sequence_task

Animal: TypeAlias = Literal["mouse", "fly"]
Mode: TypeAlias = Literal["mabe-compat", "sound"]
Vote: TypeAlias = Literal["any", "majority", "mean"]

SEEDS = (42, 43, 44)
"""Each holds another tenth of SubmissionTrain out of training."""
ALPHAS = (0.1, 0.5, 1.0, 2.0, 5.0)
REFERENCE_ALPHA = 1.0
"""The penalty of every score but those that name theirs."""
SOUND_ALPHAS = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
"""Of standardised dimensions; the best on the held-out tenths is taken."""
MAX_DIM = {"mouse": 128, "fly": 256}

MOUSE_TASKS = (
    *("experiment_day", "time_of_day", "strain", "approaches", "chases", "close", "contact", "huddles"),
    *("oral_ear_contact", "oral_genital_contact", "oral_oral_contact", "watching", "lights"),
)

_LINES = (
    *("control", "BDP_sexseparated", "Control_RGB", "71G01", "male71G01_femaleBDP", "65F12", "91B01", "BlindControl"),
    *("aIPgpublished3_newstim", "pC1dpublished1_newstim", "aIPgBlind_newstim"),
)
_STIMULATED = (
    *("BlindControl", "Control_RGB", "aIPgBlind_newstim"),
    *("aIPgpublished3_newstim", "pC1dpublished1_newstim"),
)
_STIMULI = ("offvson", "offvsstrong", "offvsweak", "weakvsstrong", "firstvslast_strong")
_GROUPS = ("courtship", "control", "blind", "aIPg", "aggression", "GMR71G01", "sexseparated")
PER_FLY = {
    "female": tuple(range(11)),
    "perframe_aggression": tuple(range(10)),
    "perframe_chase": tuple(range(10)),
    "perframe_courtship": (0, 2, 3, 5, 6, 7),
    "perframe_highfence2": (0, 1, 2, 3, 4, 7, 8, 9),
    "perframe_wingext": (2, 6, 7, 8),
    "perframe_wingflick": tuple(range(9)),
}
"""Flies that each per-fly task is asked of; the evaluator's table shows their mean."""
FLY_MARK = "_singletask_fly_"


def _fly_tasks() -> tuple[str, ...]:
    stimulation = [f"{line}_{stimulus}" for line in _STIMULATED for stimulus in _STIMULI]
    per_fly = [f"{name}{FLY_MARK}{fly}" for fly in range(11) for name, flies in PER_FLY.items() if fly in flies]
    return (*_LINES, *stimulation, *_GROUPS, *per_fly)


FLY_TASKS = _fly_tasks()
"""101 ids; `control` is there twice and so counts twice in a mean over rows."""
OFFICIAL: dict[str, tuple[str, ...]] = {"mouse": MOUSE_TASKS, "fly": FLY_TASKS}


@dataclass(frozen=True)
class MabeTask:
    """One question.

    Attributes
    ----------
    name : str
    continuous : bool
        Scored by MSE; else binary and scored by F1.
    sequence : bool
        The evaluator lists it as having one answer a clip.
    """

    name: str
    continuous: bool
    sequence: bool

    @property
    def clipwise(self) -> bool:
        """Whether it really has one answer a clip: of the flies' sexes the evaluator lists only the first."""
        return self.sequence or self.name.startswith(f"female{FLY_MARK}")


def rows_of(animal: Animal, tasks: list[MabeTask]) -> list[str]:
    """Order the rows of the table: the official order with its repetition, then tasks it does not have."""
    names = [task.name for task in tasks]
    official = [name for name in OFFICIAL[animal] if name in names]
    return official + [name for name in names if name not in official]


def describe(animal: Animal, names: Sequence[str], kinds: Sequence[str]) -> list[MabeTask]:
    """Describe the tasks of a label file, each once."""
    found: dict[str, MabeTask] = {}
    for name, kind in zip(names, kinds, strict=True):
        found.setdefault(name, MabeTask(name, kind == "continuous", is_sequence_task(animal, name)))
    return list(found.values())
