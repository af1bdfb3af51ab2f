"""What a video model was made for (`ClipSpec`) and the videos it may see (`ClipView`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.formats.clips import Clip, ClipRecording, open_clips
from workflow_scripts.formats.splits import Split
from workflow_scripts.views.crops import files, shared_preprocessing

RATE_TOLERANCE = 0.05
"""Relative difference of frame rates up to which a window lasts about as long as in training."""


@dataclass(frozen=True)
class ClipSpec:
    """The videos a model is built for; stored with its weights, checked before it is used on others.

    Attributes
    ----------
    fps : float
        Frames per second: windows are counted in frames.
    size : int
        Side of the crop videos in pixels; other sizes are scaled, and are no reason to refuse a video.
    vocabularies : dict of str to tuple of str
        Class names of each labelled task, in the order of the model's outputs.
    backgrounds : dict of str to str
        By task: the class that means nothing of interest, where the dataset's card names one.
    side : int or None
        Side of the window in pixels of the source videos, where several videos share one; None where each has its own.
    preprocessing : dict
        How the videos were cropped (:func:`workflow_scripts.views.crops.shared_preprocessing`), so that new ones can
        be cropped alike; empty where nobody knows.
    """

    fps: float
    size: int = 256
    vocabularies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    side: int | None = None
    preprocessing: dict[str, Any] = field(default_factory=dict)
    backgrounds: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, recording: ClipRecording) -> ClipSpec:
        """Describe a video."""
        vocabularies = {task: labels.vocabulary for task, labels in recording.labels.items()}
        backgrounds = {task: found.background for task, found in recording.labels.items() if found.background}
        return cls(recording.fps, recording.size, vocabularies, backgrounds=backgrounds)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for YAML or JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> ClipSpec:
        """Undo :meth:`to_dict`."""
        vocabularies = {task: tuple(names) for task, names in value["vocabularies"].items()}
        more = {key: value[key] for key in ("preprocessing", "backgrounds") if key in value}
        return cls(float(value["fps"]), int(value["size"]), vocabularies, value.get("side"), **more)

    def files(self) -> dict[str, Path]:
        """Return the files that cropping a new video needs, which belong to the exported model: name → path."""
        return files(self.preprocessing)

    def describe(self) -> str:
        """Say in a few words what goes in."""
        return f"square crop videos of one animal, {self.fps:g} frames a second"

    def check(self, recording: ClipRecording) -> None:
        """Refuse a video of another frame rate.

        Raises
        ------
        EthoMakeError
            Names both rates.
        """
        self.check_rate(recording.id, recording.fps)

    def check_rate(self, name: str, fps: float) -> None:
        """Refuse another frame rate, of which a video's header tells before anything of it is decoded.

        Raises
        ------
        EthoMakeError
            Names both rates.
        """
        if abs(fps / self.fps - 1) > RATE_TOLERANCE:
            raise EthoMakeError(
                f"Video {name!r} has {fps:g} frames a second, but the model was made for "
                f"{self.fps:g}; use videos of that rate or train on these."
            )


class ClipView:
    """The videos of one dataset as one split shows them.

    Parameters
    ----------
    path : str or Path
        `clips/index.h5`.
    split : Split
    """

    def __init__(self, path: str | Path, split: Split) -> None:
        self.path = Path(path)
        self.split = split

    def _iterate(self, ids: list[str]) -> Iterator[ClipRecording]:
        with open_clips(self.path) as reader:
            for recording in ids:
                yield reader.read(recording)

    def train(self) -> Iterator[ClipRecording]:
        """Yield the training videos: all a method may fit on."""
        return self._iterate(self.split.train)

    def validation(self) -> Iterator[ClipRecording]:
        """Yield the validation videos: for early stopping and tuning."""
        return self._iterate(self.split.validation)

    def test(self) -> Iterator[ClipRecording]:
        """Yield the held-out videos: for predictions that are judged."""
        return self._iterate(self.split.test)

    def everything(self) -> Iterator[ClipRecording]:
        """Yield every video of the split."""
        return self._iterate(sorted({*self.split.train, *self.split.validation, *self.split.test}))

    def clips(self, mode: str, videos: list[str]) -> list[Clip]:
        """Return the clips of some videos, cut by the rules of a mode."""
        with open_clips(self.path) as reader:
            return reader.clips(mode, videos)

    def spec(self) -> ClipSpec:
        """Describe the data, from the training videos, which must agree.

        Raises
        ------
        EthoMakeError
            When a frame rate differs, or the split trains on nothing.
        """
        spec: ClipSpec | None = None
        sides = []
        for recording in self.train():
            found = ClipSpec.of(recording)
            if spec:  # some videos have labels of no task, or of another one
                more, backgrounds = spec.vocabularies | found.vocabularies, spec.backgrounds | found.backgrounds
                spec = replace(spec, vocabularies=more, backgrounds=backgrounds)
            spec = spec or found
            spec.check(recording)
            sides += [round(float(x2 - x1)) for x1, _, x2, _ in recording.windows[:1]]
        if spec is None:
            raise EthoMakeError(f"Split {self.split.name!r} of {self.split.dataset!r} trains on no video.")
        # Which animals a video shows is seen in all of them, whichever are held out.
        spec = replace(spec, preprocessing=shared_preprocessing(self.everything()))
        return replace(spec, side=sides[0]) if len(sides) > 1 and len(set(sides)) == 1 else spec
