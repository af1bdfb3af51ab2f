"""A model's state in NumPy arrays, with the calls of a torch module that the stages use, and without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Buffers:
    """Named arrays, those of parts included; names and values are as a `torch.nn.Module` with buffers has them."""

    later: ClassVar[tuple[str, ...]] = ()
    """Arrays that saved states of earlier versions lack; they stay as they are."""
    any_length: ClassVar[bool] = False
    """The arrays take the lengths of a saved state."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def register_buffer(self, name: str, value: npt.ArrayLike) -> None:
        """Keep an array, which is also the attribute of that name, in the state."""
        setattr(self, name, np.array(value))
        self._names.append(name)

    def parts(self) -> Iterator[tuple[str, Buffers]]:
        """Attributes that have a state of their own, lists of such by number."""
        for name, value in vars(self).items():
            if isinstance(value, Buffers):
                yield name, value
            elif isinstance(value, list):
                yield from ((f"{name}.{k}", part) for k, part in enumerate(value) if isinstance(part, Buffers))

    def state_dict(self) -> dict[str, Any]:
        """Return the arrays by name, those of a part after the part's name and a dot."""
        state = {name: getattr(self, name) for name in self._names}
        for name, part in self.parts():
            state |= {f"{name}.{key}": value for key, value in part.state_dict().items()}
        return state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Take over the arrays of a saved state.

        Raises
        ------
        RuntimeError
            When arrays are missing, too many, or of another shape.
        """
        known, left = self.state_dict(), dict(state)
        problems = []
        for owner, prefix in self._owners():
            for name in owner._names:
                if prefix + name in left:
                    problems += owner._take(name, np.asarray(left.pop(prefix + name)), prefix)
                elif name not in owner.later:
                    problems.append(f"{prefix}{name} is missing")
        problems += [f"{name} is unknown" for name in left if name not in known]
        if strict and problems:
            raise RuntimeError("; ".join(problems))

    def _owners(self, prefix: str = "") -> Iterator[tuple[Buffers, str]]:
        yield self, prefix
        for name, part in self.parts():
            yield from part._owners(f"{prefix}{name}.")

    def _take(self, name: str, given: Array, prefix: str) -> list[str]:
        own: Array = getattr(self, name)
        if self.any_length and given.dtype == own.dtype and given.ndim == own.ndim:
            setattr(self, name, given.copy())
        elif given.shape != own.shape:
            return [f"{prefix}{name} has the shape {given.shape}, not {own.shape}"]
        else:
            own[...] = given
        return []

    def eval(self) -> Self:
        """Return itself: nothing trains."""
        return self
