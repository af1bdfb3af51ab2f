"""What a model was made for (`DataSpec`) and the recordings it may see (`TrackView`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Recording, TracksReader, open_tracks
from workflow_scripts.views.usual import usual_ranges


@dataclass(frozen=True)
class DataSpec:
    """The data a model is built for; stored with its weights, checked before it is used on anything else.

    Attributes
    ----------
    individuals, keypoints : tuple of str
        Names in the order of the model's inputs.
    space : int
        Number of coordinates: 2 or 3, or 1 for features that are no coordinates.
    fps : float
    unit : str
    image_size : tuple of float or None
    vocabularies : dict of str to tuple of str
        Class names of each labelled task.
    """

    individuals: tuple[str, ...]
    keypoints: tuple[str, ...]
    space: int
    fps: float
    unit: str
    image_size: tuple[float, float] | None
    vocabularies: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, recording: Recording) -> DataSpec:
        """Describe a recording."""
        return cls(
            individuals=recording.individuals,
            keypoints=recording.keypoints,
            space=int(recording.position.shape[3]),
            fps=recording.fps,
            unit=recording.unit,
            image_size=recording.image_size,
            vocabularies={task: labels.vocabulary for task, labels in recording.labels.items()},
        )

    @classmethod
    def of_all(cls, reader: TracksReader, ids: Iterable[str]) -> DataSpec | None:
        """Describe recordings that must agree, with the tasks that any of them is labelled for; None of none.

        Raises
        ------
        EthoMakeError
            When two recordings differ in skeleton, order, unit or frame rate.
        """
        spec: DataSpec | None = None
        for identifier in ids:
            known = spec.vocabularies if spec else {}
            recording = reader.header(identifier, [task for task in reader.tasks(identifier) if task not in known])
            found = cls.of(recording)
            spec = replace(spec, vocabularies=known | found.vocabularies) if spec else found
            spec.check(recording)
        return spec

    @classmethod
    def of_file(cls, path: str | Path) -> DataSpec:
        """Describe all recordings of a `tracks.h5`, see :meth:`of_all`."""
        with open_tracks(path) as reader:
            spec = cls.of_all(reader, reader.ids)
        if spec is None:
            raise InputError(path, "holds no recording", "convert the dataset again")
        return spec

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for YAML or JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> DataSpec:
        """Undo :meth:`to_dict`."""
        size = value.get("image_size")
        return cls(
            individuals=tuple(value["individuals"]),
            keypoints=tuple(value["keypoints"]),
            space=int(value["space"]),
            fps=float(value["fps"]),
            unit=str(value["unit"]),
            image_size=None if size is None else (float(size[0]), float(size[1])),
            vocabularies={task: tuple(names) for task, names in value.get("vocabularies", {}).items()},
        )

    def describe(self) -> str:
        """Say in a few words what goes in."""
        return (
            f"{len(self.individuals)} individuals × {len(self.keypoints)} keypoints at {self.fps:g} frames a second, "
            f"in {self.unit}"
        )

    def check(self, recording: Recording) -> None:
        """Refuse a recording of another skeleton, order, space, unit or frame rate.

        Raises
        ------
        EthoMakeError
            Names both sides.
        """
        other = DataSpec.of(recording)
        for name in ("individuals", "keypoints", "space", "fps", "unit"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise EthoMakeError(
                    f"Recording {recording.id!r} has {name} {theirs}, but the model was made for {mine}; "
                    "use recordings of the same kind or train on these."
                )


class TrackView:
    """The recordings of one dataset as one split shows them, read one at a time.

    Parameters
    ----------
    path : str or Path
        `tracks.h5`.
    split : Split
    """

    def __init__(self, path: str | Path, split: Split) -> None:
        self.path = Path(path)
        self.split = split

    def _iterate(self, ids: list[str], tasks: Collection[str] | None = None) -> Iterator[Recording]:
        with open_tracks(self.path) as reader:
            reader.hidden = self.split.unlabelled
            for recording in ids:
                yield reader.read(recording, tasks)

    def train(self, tasks: Collection[str] | None = None) -> Iterator[Recording]:
        """Yield the training recordings: all a method may fit on; with the labels of `tasks` alone, where given."""
        return self._iterate(self.split.train, tasks)

    def validation(self) -> Iterator[Recording]:
        """Yield the validation recordings: for early stopping and tuning."""
        return self._iterate(self.split.validation)

    def test(self) -> Iterator[Recording]:
        """Yield the held-out recordings: for predictions that are judged."""
        return self._iterate(self.split.test)

    def everything(self) -> Iterator[Recording]:
        """Yield every recording of the split without its labels, to be embedded with the fitted model."""
        return self._iterate(sorted({*self.split.train, *self.split.validation, *self.split.test}), ())

    def about(self) -> dict[str, Any]:
        """Return how files become such recordings, and what the training ones usually look like: kept with a model."""
        with open_tracks(self.path) as reader:
            return {"reading": reader.reading, "usual": usual_ranges(self.train(()))}

    def spec(self) -> DataSpec:
        """Describe the data, from the training recordings.

        Raises
        ------
        EthoMakeError
            When two recordings differ in skeleton, order, unit or frame rate.
        """
        with open_tracks(self.path) as reader:
            spec = DataSpec.of_all(reader, self.split.train)
        if spec is None:
            raise EthoMakeError(f"Split {self.split.name!r} of {self.split.dataset!r} trains on no recording.")
        return spec
