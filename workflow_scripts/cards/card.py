"""Dataset cards: `config/datasets/<name>.yaml`, validated, with the paths the rules need."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from workflow_scripts.cards.names import Fps, Label, Name, PlainPath, Seed, Side, TaskName, require_unique
from workflow_scripts.core import limits
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.names import slugify
from workflow_scripts.core.validation import Strict, nearest, validate

MOST_FOLDS = 1000

UNPACKED = ".unpacked/"
"""Archive members live in `resources/<dataset>/<archive>.unpacked/<member>`."""

FINAL = "all"
"""The split that every card has without writing it: everything labelled trains and nothing is held out."""

Purpose = Literal["recording", "video", "dataset", "movies", "file"]
"""What a cut-down card is for; see :meth:`Card.conversion_inputs`."""


class RemoteFile(Strict):
    """One file to download (or, for a twin, to simulate)."""

    path: PlainPath = Field(description="Where it lands below resources/<dataset>/, and where a mirror folder has it.")
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


class LabelSource(Strict):
    """A label file of one shard."""

    source: str = Field(description="Name of a label source (workflow_scripts/sources).")
    file: str = Field(description="Path below resources/<dataset>/.")
    options: dict[str, Any] = {}


class Shard(Strict):
    """What one convert job reads: usually one recording, or one file that holds many."""

    id: Label = Field(description="Recording id, or name of the shard where the file names its own recordings.")
    tracks: str = Field(description="Tracking file below resources/<dataset>/.")
    labels: list[LabelSource] = []
    group: Label | None = Field(None, description="Animal, session or source video; the source decides where empty.")
    options: dict[str, Any] = Field({}, description="Overrides of the card's source options.")
    beside: list[str] = Field(
        [], description="Other files below resources/<dataset>/ that those options name and the source reads."
    )

    def paths(self) -> list[str]:
        """Files the shard is made from, below resources/<dataset>/."""
        return [self.tracks, *(labels.file for labels in self.labels), *self.beside]


class Pattern(Strict):
    """Recordings found in the card's local folder, instead of an entry of `files` and one of `shards` for each.

    In `labels`, `group` and `beside`, `{path}`, `{folder}`, `{name}` and `{stem}` stand for the path of the recording's
    file below that folder, for the folder it is in, for its name, and for its name without its end.
    """

    tracks: str = Field(description="Pattern of the files below the local folder; ** stands for any folders.")
    labels: list[LabelSource] = Field(
        [], description="Label files; one that is not there leaves its recording unlabelled."
    )
    group: str | None = Field(None, description="Animal, session or source video; the source decides where empty.")
    options: dict[str, Any] = Field({}, description="Overrides of the card's source options.")
    beside: list[str] = []

    def expand(self, local: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the entries of `files` and `shards` of what the folder holds now.

        Raises
        ------
        ValueError
            When it holds no such file.
        """
        found = sorted(path for path in local.glob(self.tracks) if path.is_file())
        if not found:
            raise ValueError(f"recordings: {local} holds no file {self.tracks}")
        paths: dict[str, None] = {}
        shards = []
        for path in found:
            here = path.relative_to(local)
            told = {"path": here.as_posix(), "folder": here.parent.as_posix(), "name": here.name, "stem": here.stem}
            labels = [
                {
                    "source": label.source,
                    "file": _filled(label.file, told),
                    "options": {key: _filled(value, told) for key, value in label.options.items()},
                }
                for label in self.labels
            ]
            labels = [label for label in labels if (local / label["file"]).is_file()]
            beside = [_filled(name, told) for name in self.beside]
            paths |= dict.fromkeys([told["path"], *(label["file"] for label in labels), *beside])
            shards.append(
                {
                    "id": here.with_suffix("").as_posix(),
                    "tracks": told["path"],
                    "labels": labels,
                    "group": None if self.group is None else _filled(self.group, told),
                    "options": {key: _filled(value, told) for key, value in self.options.items()},
                    "beside": beside,
                }
            )
        return [{"path": path} for path in paths], shards


def _filled(value: Any, told: dict[str, str]) -> Any:
    """Put the names of a recording into a text; other values stay."""
    if isinstance(value, dict):
        return {key: _filled(item, told) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, told) for item in value]
    if not isinstance(value, str):
        return value
    for key, text in told.items():
        value = value.replace(f"{{{key}}}", text)
    return value


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


class Gaps(Strict):
    """How missing points are told and filled."""

    zero_is_missing: bool | None = Field(
        None,
        description="A point at exactly (0, 0) is missing; empty = yes, unless the source codes what is missing by NaN "
        "alone (bams_dict, quadrupeds).",
    )
    min_likelihood: float = Field(0.0, ge=0, le=1, description="A point below this confidence is missing.")
    interpolate_max_frames: int = Field(
        0, ge=0, description="Longest gap, in frames, filled linearly between two seen points; longer ones stay NaN."
    )


class GroupSplit(Strict):
    """A split named by groups (or by pattern of recording id)."""

    train: list[str] = Field([], description="Groups that train; empty = all that are not in the other lists.")
    validation: list[str] = []
    test: list[str] = Field([], description="Groups held out.")
    by: Literal["group", "animal", "recording_prefix"] = Field(
        "group", description="Whether the lists name groups, animals (of images), or beginnings of recording ids."
    )


class FoldSplit(Strict):
    """Leave-groups-out folds; each list is held out once."""

    folds: list[list[str]] = Field(
        min_length=2, max_length=MOST_FOLDS, description="Groups held out together, one list a fold."
    )
    by: Literal["group", "animal"] = Field("group", description="Whether the lists name groups or animals (of images).")


class DealtSplit(Strict):
    """Folds for many small groups: they are dealt at random, and each fold is held out once."""

    deal: int = Field(ge=2, le=MOST_FOLDS, description="Number of folds.")
    seed: Seed = 0


class RandomSplit(Strict):
    """A number of whole recordings, drawn at random, held out for the test (and for validation)."""

    hold_out: int = Field(
        ge=1, description="Recordings to test on, at least: groups are drawn whole until there are so many."
    )
    validation: int = Field(0, ge=0, description="Recordings to validate on, drawn after those.")
    seed: Seed = 0


class Movie(Strict):
    """A movie that trained models tag; nothing is trained or judged on it."""

    file: str = Field(description="Path below resources/<dataset>/.")
    options: dict[str, Any] = Field({}, description="Overrides of the card's source options.")


class Simulation(Strict):
    """Marks a twin: its files are made by a generator, offline."""

    generator: str = Field(description="Module in workflow_scripts/simulate.")
    options: dict[str, Any] = {}


class Published(Strict):
    """A number from the literature, shown beside ours."""

    method: str
    task: str
    metric: str
    value: float
    source: str = Field(description="Paper, table, page.")
    verified: bool = Field(description="True where somebody of this project read it in the source.")
    ours: str = Field("", description="Our method that it is set beside; empty = none, or the one named `method`.")
    place: str = Field("", description="Table, page or file in the source.")
    url: str = ""
    protocol: str = Field("", description="How the number came about, where that differs from ours.")


class Card(Strict):
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
    individuals: list[Label] = []
    keypoints: list[Label] = []
    source: str = Field(description="Name of a track source (workflow_scripts/sources).")
    options: dict[str, Any] = Field({}, description="Options of that source.")
    gaps: Gaps = Gaps()
    recordings: Pattern | None = Field(
        None, description="Pattern of the recordings in the local folder, in place of `files` and `shards`."
    )
    files: list[RemoteFile] = Field(min_length=1)
    shards: list[Shard] = Field(min_length=1)
    tasks: dict[TaskName, Task] = {}
    movies: list[Movie] = []
    splits: dict[Name, GroupSplit | FoldSplit | DealtSplit | RandomSplit] = {}
    simulate: Simulation | None = None
    published: list[Published] = []

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        """Replace a pattern by what the folder holds: jobs are given the recordings themselves."""
        if not isinstance(value, dict) or not value.get("recordings"):
            return value
        if not value.get("local"):
            raise ValueError("recordings are found in a local folder: name it under local")
        if value.get("files") or value.get("shards"):
            raise ValueError("recordings stand in place of files and shards: keep one of the two")
        pattern = Pattern.model_validate(value["recordings"])
        files, shards = pattern.expand(Path(value["local"]).expanduser())
        return {key: item for key, item in value.items() if key != "recordings"} | {"files": files, "shards": shards}

    @model_validator(mode="after")
    def _consistent(self) -> Card:
        known = set(self.resource_paths())
        for shard in self.shards:
            for path in shard.paths():
                if path not in known:
                    raise ValueError(f"shard {shard.id!r} names {path!r}, which no entry of files provides")
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
            shards = [shards[0].model_copy(update={"labels": [], "options": own})]
            update = {"tasks": {}, "options": {key: value for key, value in self.options.items() if key != "balance"}}
        paths = {used.split(UNPACKED)[0] for shard in shards for used in shard.paths()}
        paths |= {movie.file.split(UNPACKED)[0] for movie in movies} | ({name} if purpose == "file" else set())
        kept = {"path", "sha256", "md5", "members"}
        files = [RemoteFile(**self.file(path).model_dump(include=kept), urls=["-"]) for path in sorted(paths)]
        shown = {"title": "-", "description": "", "licence": "", "terms": "", "citation": ["-"], "fps_note": ""}
        silent: dict[str, Any] = {
            "movies": movies,
            "splits": {},
            "published": [],
            "frames": None,
            "mirror": None,
            "local": None,
        }
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
        if isinstance(split, FoldSplit):
            return [f"{family}{k}" for k in range(len(split.folds))]
        if isinstance(split, DealtSplit):
            return [f"{family}{k}" for k in range(split.deal)]
        return [family]


def card_path(root: str | Path, name: str) -> Path:
    """Where the card of a dataset stands."""
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
    return validate(Card, read_yaml(path), where=str(path))
