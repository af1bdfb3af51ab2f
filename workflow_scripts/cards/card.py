"""Dataset cards: `config/datasets/<name>.yaml`, validated, with the paths the rules need."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, field_validator, model_validator

from workflow_scripts.cards.names import Fps, Label, Name, PlainPath, Side, TaskName, require_unique
from workflow_scripts.cards.parts import Blocks, Gaps, Movie, Published, Simulation
from workflow_scripts.cards.patterns import LabelSource, Pattern, expand_pattern
from workflow_scripts.cards.place import NOWHERE, Positive, Space, require_one_unit
from workflow_scripts.cards.sheet import LabelTemplate, Rename, expand, read_spans
from workflow_scripts.cards.splits import LabelDraws, Split, suffixes
from workflow_scripts.core import limits
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.names import slugify
from workflow_scripts.core.validation import Strict, nearest, validate

UNPACKED = ".unpacked/"
"""Archive members live in `resources/<dataset>/<archive>.unpacked/<member>`."""

FINAL = "all"
"""The split that every card has without writing it: everything labelled trains and nothing is held out."""

Purpose = Literal["recording", "video", "dataset", "movies", "file"]
"""What a cut-down card is for; see :meth:`Card.conversion_inputs`."""

RATE_TOLERANCE = 0.005
"""Frame rates that differ by less than this share count as one (29.97 and 30)."""


class RemoteFile(Strict):
    """One file to download (or, for a twin, to simulate)."""

    path: PlainPath = Field(description="Where it lands below resources/<dataset>/, and where a mirror folder has it.")
    mirror: str | None = Field(None, description="Folder inside a mirror that has this file; default the card's.")
    urls: list[str] = Field([], description="Public addresses, tried in this order after the mirrors.")
    bytes: int | None = Field(None, ge=0, description="Exact size.")
    about: int | None = Field(
        None, ge=0, description="Bytes, roughly, where no exact size is known: training asks for memory by it."
    )
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    md5: str | None = Field(None, pattern=r"^[0-9a-f]{32}$")
    members: list[PlainPath] = Field([], description="For an archive: the members to unpack, and no others.")

    @field_validator("path")
    @classmethod
    def _inside(cls, value: str) -> str:
        if value.startswith("/") or "\\" in value or ".." in Path(value).parts or UNPACKED in value:
            raise ValueError("must be a plain relative path inside the dataset's folder")
        return value

    @model_validator(mode="after")
    def _once(self) -> RemoteFile:
        require_unique("members", self.members)
        return self


class Shard(Strict):
    """What one convert job reads: usually one recording, or one file that holds many."""

    id: Label = Field(description="Recording id, or name of the shard where the file names its own recordings.")
    file: str = Field(
        validation_alias=AliasChoices("file", "tracks"),  # older cards say tracks
        description="Table of tracks, video or images, below resources/<dataset>/.",
    )
    labels: list[LabelSource] = []
    group: Label | None = Field(None, description="Animal, session or source video; the source decides where empty.")
    options: dict[str, Any] = Field({}, description="Overrides of the card's source options.")
    beside: list[str] = Field(
        [], description="Other files below resources/<dataset>/ that those options name and the source reads."
    )
    animal: str | None = Field(None, description="Animal (or cage) filmed; conditions compare animals.")
    condition: str | None = Field(None, description="Treatment, genotype … of this recording.")
    covariates: dict[str, str] = Field({}, description="Other columns of the sheet, by name.")
    fps: Fps | None = Field(None, description="Frames per second of this recording; empty = the card's.")
    image_size: tuple[Side, Side] | None = Field(None, description="Width and height; empty = the card's.")
    scale: Positive | None = Field(
        None, description="Centimetres a pixel (the card's scale.per_unit) of this recording; empty = the card's."
    )
    start: int = Field(0, ge=0, description="Frame of the video at which the table of tracks begins.")
    frames: int | None = Field(
        None, ge=1, description="Frames of the recording, where its table ends early; the rest is filled with NaN."
    )
    scored: str | None = Field(
        None, description="Labelled spans on the clock of the video, 0-600 (frames) or 0-20s; frames outside have none."
    )
    rename: Rename = Rename()

    @field_validator("scored")
    @classmethod
    def _spans(cls, value: str | None) -> str | None:
        if value is not None:
            read_spans(value)
        return value

    def paths(self) -> list[str]:
        """Files the shard is made from, below resources/<dataset>/."""
        return [self.file, *(labels.file for labels in self.labels), *self.beside]


class Task(Strict):
    """A question the probe asks of the labels."""

    kind: Literal["binary", "multiclass", "continuous", "points"] = Field(
        "multiclass", description="points: the keypoints of images, found and not classified."
    )
    level: Literal["frame", "sequence"] = "frame"
    vocabulary: list[Label] = Field(
        [], max_length=limits.CLASSES, description="Class names in the order of their indices."
    )
    background: str | None = Field(
        None, description="Class that means nothing of interest: it has no bouts; empty = every class has."
    )
    description: str = ""

    @model_validator(mode="after")
    def _background_is_a_class(self) -> Task:
        if self.background is None:
            return self
        if self.kind not in ("binary", "multiclass"):
            raise ValueError(f"background names a class, and a task of kind {self.kind} has none; remove it")
        if self.background not in self.vocabulary:
            near = nearest(self.background, self.vocabulary).removesuffix("?")
            raise ValueError(f"background: expected a class of the vocabulary, found {self.background!r}{near}")
        if self.kind == "binary" and self.background != self.vocabulary[0]:
            raise ValueError(
                f"background: expected {self.vocabulary[0]!r}, the first class of the binary task, found "
                f"{self.background!r}; the second class is the behaviour"
            )
        return self

    @model_validator(mode="after")
    def _classes(self) -> Task:
        require_unique("vocabulary", self.vocabulary)
        if self.kind == "binary" and len(self.vocabulary) not in (0, 2):
            raise ValueError(f"a binary task has two classes, and vocabulary names {len(self.vocabulary)}")
        return self


class Card(Space):
    """A dataset: where its files are, what they hold, and how it may be used."""

    name: Name
    title: str
    kind: Literal["tracks", "images", "clips"] = "tracks"
    description: str
    licence: str
    terms: str = Field("", description="Conditions beyond the licence, in words.")
    citation: list[str] = Field(min_length=1)
    mirror: str | None = Field(None, description="Name of the dataset's folder inside a mirror; default its own name.")
    local: str | None = Field(
        None, description="Folder on this machine that holds the files, tried first; for data with no public address."
    )
    frames: int | None = Field(
        None, ge=0, description="Frames of all recordings together, roughly: training asks for memory by it."
    )
    fps: Fps | None = None
    fps_note: str = ""
    unit: str = "px"
    image_size: tuple[Side, Side] | None = None
    resample: Fps | None = Field(
        None, description="Frames per second that tracks are brought to, so that all windows are equally long."
    )
    space: Literal[2, 3] | None = Field(None, description="Coordinates of a point; empty = as the files have them.")
    individuals: list[Label] = []
    keypoints: list[Label] = []
    rename: Rename = Rename()
    unlisted: Literal["refuse", "leave_out"] = Field(
        "refuse", description="Individuals and keypoints of a file that the card does not list."
    )
    absent: Literal["refuse", "empty"] = Field(
        "refuse", description="Individuals and keypoints of the card that a file lacks; empty = NaN throughout."
    )
    source: str = Field(description="Name of a track source (workflow_scripts/sources).")
    options: dict[str, Any] = Field({}, description="Options of that source.")
    gaps: Gaps = Gaps()
    blocks: Blocks | None = Field(
        None, description="Cut tracks into blocks of time, where one session is all there is."
    )
    recordings: str | list[dict[str, Any]] | Pattern | None = Field(
        None,
        description="Sheet beside the card (<name>.recordings.tsv), its rows, or a pattern of files below `local`; "
        "they become the shards and files.",
    )
    labels: list[LabelTemplate] = Field([], description="How the label files that the sheet names are read.")
    files: list[RemoteFile] = Field([], description="Empty = every file that the shards name, below `local`.")
    shards: list[Shard] = Field([], description="Empty = the rows of the sheet.")
    tasks: dict[TaskName, Task] = {}
    movies: list[Movie] = []
    splits: dict[Name, Split] = {}
    simulate: Simulation | None = None
    published: list[Published] = []

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        """Replace a pattern by what the folder holds: jobs are given the recordings themselves."""
        return expand_pattern(value) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _consistent(self) -> Card:
        for name in ("files", "shards"):
            if not getattr(self, name):
                raise ValueError(f"the card has no {name} and no recordings; add a sheet or list them")
        self._one_rate()
        require_one_unit(self.kind, self.scale, {shard.id: shard.scale for shard in self.shards})
        known = set(self.resource_paths())
        for shard in self.shards:
            for path in shard.paths():
                if path not in known:
                    raise ValueError(f"shard {shard.id!r} names {path!r}, which no entry of files provides")
        if self.blocks is not None and self.kind != "tracks":
            raise ValueError(f"blocks cuts tracks, and this is a card of {self.kind}; remove it")
        if FINAL in self.splits:
            raise ValueError(f"splits: the name {FINAL!r} is kept for the split in which everything labelled trains")
        for movie in self.movies:
            if movie.file not in known:
                raise ValueError(f"movies names {movie.file!r}, which no entry of files provides")
        if len(self._shards) != len(self.shards):
            counts = Counter(slugify(shard.id) for shard in self.shards)
            slug = counts.most_common(1)[0][0]
            raise ValueError(f"two shards are called {next(s.id for s in self.shards if slugify(s.id) == slug)!r}")
        require_unique("individuals", self.individuals)
        require_unique("keypoints", self.keypoints)
        # Of two entries of one path only the last would count, and the checksum of the first would be lost.
        require_unique("files", self.resource_paths())
        self._check_split_names()
        for file in self.files:
            if not (file.urls or self.simulate or self.local):
                raise ValueError(f"file {file.path!r} has no url, and the card names no local folder")
        return self

    def _check_split_names(self) -> None:
        """Refuse two families that share a split: `fold` with folds and a split of its own called `fold0`."""
        families: dict[str, str] = {}
        for family in self.splits:
            for name in self.split_names(family):
                if name in families:
                    raise ValueError(f"the splits {families[name]!r} and {family!r} both make a split {name!r}")
                families[name] = family

    def _one_rate(self) -> None:
        """Refuse different frame rates where windows count frames."""
        if self.kind != "tracks" or self.resample is not None:
            return
        rates = {shard.fps or self.fps for shard in self.shards} - {None}
        low, high = (min(rates), max(rates)) if rates else (1.0, 1.0)  # type: ignore[type-var]
        if high > low * (1 + RATE_TOLERANCE):  # type: ignore[operator]
            shown = ", ".join(f"{rate:g}" for rate in sorted(rates))  # type: ignore[type-var]
            raise ValueError(
                f"the recordings have {shown} frames a second, and windows count frames; add resample: {low:g} "
                "to bring all to one rate"
            )

    def resource_paths(self) -> list[str]:
        """Every file below `resources/<dataset>/`, unpacked members included."""
        paths = [file.path for file in self.files]
        for file in self.files:
            paths += [f"{file.path}{UNPACKED}{member}" for member in file.members]
        return paths

    @cached_property
    def _files(self) -> dict[str, RemoteFile]:
        return {file.path: file for file in self.files}

    @cached_property
    def _shards(self) -> dict[str, Shard]:
        return {slugify(shard.id): shard for shard in self.shards}

    @cached_property
    def _users(self) -> dict[str, list[Shard]]:
        users: dict[str, list[Shard]] = {}
        for shard in self.shards:
            for path in {used.split(UNPACKED)[0] for used in shard.paths()}:
                users.setdefault(path, []).append(shard)
        return users

    def conversion_inputs(self, purpose: Purpose, name: str = "") -> Card:
        """Return the card cut down to what one job of conversion depends on.

        Two cards with equal inputs give equal files, so an edit of anything else converts nothing again.

        Parameters
        ----------
        purpose : {"recording", "video", "dataset", "movies", "file"}
            Conversion of one shard with its labels; detection and cropping of one video, which reads no label;
            conversion of all shards together; tagging of the movies; simulation of one file of a twin.
        name : str
            Slug of the shard, or path of the file.

        Returns
        -------
        Card
            Without what is only shown (title, description, licence …), without splits and addresses.
        """
        shards, movies = self.shards, list[Movie]()
        if purpose in {"recording", "video"}:
            shards = [self.shard(name)]
        elif purpose == "file":
            shards = self._users.get(name, self.shards[:1])
        elif purpose == "movies":
            shards, movies = self.shards[:1], self.movies
        update: dict[str, Any] = {}
        if purpose == "video":
            own = {key: value for key, value in shards[0].options.items() if key != "label"}
            sheet = dict.fromkeys(("scored", "animal", "condition", "group", "fps"))  # cells that no pixel depends on
            shards = [shards[0].model_copy(update={"options": own, "labels": [], "covariates": {}, **sheet})]
            kept_options = {key: value for key, value in self.options.items() if key != "balance"}
            update = {"tasks": {}, "fps": None, "options": kept_options}
        paths = {used.split(UNPACKED)[0] for shard in shards for used in shard.paths()}
        paths |= {movie.file.split(UNPACKED)[0] for movie in movies} | ({name} if purpose == "file" else set())
        kept = ("path", "sha256", "md5", "members")
        used = [self.file(path) for path in sorted(paths)]
        # Not validated again: a plan of 10 000 recordings does this 30 000 times.
        files = [RemoteFile.model_construct(urls=["-"], **{key: getattr(file, key) for key in kept}) for file in used]
        shown = {"title": "-", "description": "", "licence": "", "terms": "", "citation": ["-"], "fps_note": ""}
        silent: dict[str, Any] = {"movies": movies, "splits": {}, "published": [], "labels": [], **NOWHERE}
        silent |= dict.fromkeys(("frames", "mirror", "local", "recordings"))
        return self.model_copy(update={"shards": shards, "files": files, **shown, **silent, **update})

    def inputs_digest(self, purpose: Purpose, name: str = "") -> str:
        """Digest of :meth:`conversion_inputs`, 16 hexadecimal digits: the parameter of a rule that converts."""
        text = self.conversion_inputs(purpose, name).model_dump_json(exclude_defaults=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def local_folder(self) -> Path | None:
        """The user's folder, where all of the dataset's files are there and are read in place; else None."""
        if self.local is None or self.simulate or any(file.members for file in self.files):
            return None
        folder = Path(self.local).expanduser()
        return folder if all((folder / file.path).is_file() for file in self.files) else None

    def folder_of_files(self, resources: str | Path) -> Path:
        """Folder below which the card's paths are: the user's own where they are read in place, else `resources`."""
        return self.local_folder or Path(resources)

    def only_shard(self, shard: Shard) -> Card:
        """Return the card with one of its shards and that shard's files."""
        paths = {used.split(UNPACKED)[0] for used in shard.paths()}
        return self.model_copy(
            update={"shards": [shard], "files": [self.file(path) for path in sorted(paths)], "recordings": None}
        )

    def file(self, path: str) -> RemoteFile:
        """Return the entry of a downloadable path."""
        if path in self._files:
            return self._files[path]
        raise ConfigError(f"The card {self.name!r} has no file {path!r}; see config/datasets/{self.name}.yaml.")

    def shard(self, slug: str) -> Shard:
        """Return a shard by the slug of its id."""
        if slug in self._shards:
            return self._shards[slug]
        raise ConfigError(f"The card {self.name!r} has no shard {slug!r}.")

    def split_names(self, family: str) -> list[str]:
        """Names of the splits a family stands for: itself, or `fold0`, `fold1` …; every card has :data:`FINAL`."""
        if family == FINAL:
            return [FINAL]
        try:
            split = self.splits[family]
        except KeyError as error:
            known = ", ".join(self.splits) or "none"
            raise ConfigError(f"The card {self.name!r} has no split {family!r}; it has: {known}.") from error
        return [f"{family}{suffix}" for suffix in suffixes(split)]

    def pooled_as(self, family: str, name: str) -> str:
        """Name under which a split's predictions are scored: that of its folds together, or its own."""
        # Draws of labels share their test recordings, so that one recording would count several times.
        return name if isinstance(self.splits.get(family), LabelDraws) else family


def card_path(root: str | Path, name: str) -> Path:
    """Return the place of a dataset's card."""
    return Path(root) / "config" / "datasets" / f"{name}.yaml"


def load_card(path: str | Path) -> Card:
    """Read and validate a card.

    Raises
    ------
    InputError
        When the file is absent or not YAML.
    ConfigError
        When a key is unknown or a value out of range; names the key and the nearest valid one.
    """
    values = read_yaml(path)
    if isinstance(values, dict):
        values = expand(values, Path(path))
    return validate(Card, values, where=str(path))
