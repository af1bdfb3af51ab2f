"""Published weights as runs, without training: an MVD or VideoMAE classifier, and the detector of its crops."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import digest, write_text
from workflow_scripts.core.validation import Strict, validate
from workflow_scripts.methods import parse, runs, state
from workflow_scripts.methods.mvd.config import Config
from workflow_scripts.methods.mvd.module import MvdClassifier
from workflow_scripts.methods.mvd.original import compare, read_file, read_state
from workflow_scripts.methods.mvd.sizes import SIZES
from workflow_scripts.sources.videos import Options as VideoOptions
from workflow_scripts.views.clips import ClipSpec

log = logging.getLogger("ethomake.mvd")

CLASSIFIERS = (
    "checkpoint-best/mp_rank_00_model_states.pt",
    "checkpoints/best.pth",
    "best.pth",
    "model.safetensors",
    "pytorch_model.bin",
)
"""Where a folder keeps a fine-tuned classifier: the published app's folders, older and newer, and transformers'."""

DETECTORS = ("best.pth", "model.safetensors", "checkpoints/best.pth")
"""Where a folder keeps the weights of a detector."""

SETTINGS = {"num_frames": "num_frames", "sampling_rate": "sampling_rate", "input_size": "image_size"}
"""Lines of the published `config.txt` → options."""

PAD = 0.05
"""Border around the animal at inference, as share of the window's side, of the published tool."""


class Facts(Strict):
    """What the published files leave open."""

    classes: list[str] = []
    background: str | None = None
    task: str = "action"
    fps: float = 30.0
    detector: str | None = None
    video: dict[str, Any] = {}


def weights_of(path: Path) -> Path:
    """Find the weights of a classifier: the file itself, or the one in a folder of the published app or a hub.

    Raises
    ------
    InputError
        When there is none.
    """
    if path.is_file():
        return path
    found = [path / name for name in CLASSIFIERS if (path / name).is_file()]
    if not found:
        raise InputError(path, f"holds no weights ({', '.join(CLASSIFIERS)})", "name the file of the weights")
    return found[0]


def recognises(path: Path) -> bool:
    """Whether a path is a classifier of the published app or of transformers, or its folder."""
    try:
        return "patch_embed.proj.weight" in read_state(weights_of(path))
    except InputError:
        return False


def detector_of(path: Path) -> tuple[Path, str]:
    """Find the weights of an RT-DETRv2, and the size they are of.

    Raises
    ------
    InputError
        When there are none, or they are of no published size.
    """
    from workflow_scripts.detectors.rtdetr_weights import size_of

    if path.is_dir():
        found = [path / name for name in DETECTORS if (path / name).is_file()]
        if not found:
            raise InputError(path, f"holds no detector ({', '.join(DETECTORS)})", "name the file of its weights")
        path = found[0]
    return path, size_of(path)


def _settings(folder: Path) -> dict[str, int]:
    """Read the options that the published tool writes beside its weights, lines of a name and a value."""
    for parent in (folder, *list(folder.parents)[:2]):
        if (parent / "config.txt").is_file():
            text = (parent / "config.txt").read_text(encoding="utf-8", errors="replace")
            pairs = re.findall(r"^\s*(\w+)[\s:=]+(\d+)\s*$", text, flags=re.MULTILINE)
            # The file is appended to by each run: the last line counts.
            return {SETTINGS[name]: int(value) for name, value in pairs if name in SETTINGS}
    return {}


def _shapes(path: Path, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Tell what the shapes show: size of the network and of its tokens."""
    patches = state["patch_embed.proj.weight"]
    depth = 1 + max((int(name.split(".")[1]) for name in state if name.startswith("blocks.")), default=-1)
    for name, size in SIZES.items():
        if (size.dim, size.depth) == (patches.shape[0], depth):
            return {"size": name, "patch": patches.shape[-1], "motion": patches.shape[1] == 4}
    raise InputError(
        path,
        f"is a transformer of {depth} blocks of width {patches.shape[0]}, of no size that is known",
        f"expected one of {', '.join(SIZES)}",
    )


def import_run(
    path: str | Path, folder: str | Path, options: Mapping[str, Any], *, data: str | Path | None = None
) -> None:
    """Make published weights a run that predicts new videos, without training.

    Parameters
    ----------
    path : str or Path
        A fine-tuned MVD or VideoMAE classifier: its file, or the folder of the published app or of transformers.
    folder : str or Path
        Gets `hparams.yaml`, `weights_best.safetensors`, `weights_last.safetensors`, `model_card.md` and `embedder/`,
        the detector's weights included.
    options : mapping
        `classes`, in the order of the model's outputs, which no file tells reliably (the published tools have used two
        orders); `background` (default the first class); `task`; `fps` of the videos it was trained on; `detector`, an
        RT-DETRv2 file or folder; `video`, options of the source `videos`; and options of the method, such as
        `num_frames`, which the `config.txt` beside the weights gives where it is there.
    data : str or Path, optional
        Not used: nothing is measured on a dataset.

    Raises
    ------
    InputError
        When the files hold no classifier, or no detector.
    ConfigError
        When the classes are missing or of another number, or an option is unknown.
    """
    source, folder = weights_of(Path(path)), Path(folder)
    given = dict(options)
    stated = {key: given.pop(key) for key in list(given) if key in Facts.model_fields}
    facts = validate(Facts, stated, where="import of mvd")
    state = read_state(source)
    if "head.weight" not in state:
        raise InputError(source, "was only pre-trained and knows no classes", "name it under load_backbone and train")
    outputs = len(state["head.weight"])
    if len(facts.classes) != outputs:
        raise ConfigError(
            f"{source}: the model tells {outputs} classes apart, and {len(facts.classes)} are named; set classes in "
            "the order of its outputs, as its training wrote them (published tools: idle, Self-Grooming, Head/Body "
            "TWITCH; newer: idle, Head-Body_TWITCH, Self-Grooming)."
        )
    hub = any("patch_embeddings" in name for name in _names(source))
    shown = {"mode": "faithful", "positions": "1d" if hub else "3d", **_shapes(source, state)}
    background = facts.background or facts.classes[0]
    merged = shown | _settings(source.parent) | {"task": facts.task, "background": background} | given
    parsed = parse("mvd", merged)
    config = Config.model_validate(parsed.model_dump()).resolved()
    spec = _spec(facts, background)
    model = MvdClassifier(config, spec)
    wanted = dict(model.network.state_dict())
    compare(source, wanted, state)
    model.network.load_state_dict(state)
    if model.average is not None:
        model.average.load_state_dict(state)
    _keep(folder, model, config, spec, source, facts)


def _names(source: Path) -> list[str]:
    found = read_file(source)
    return list(next((found[key] for key in ("model", "module", "state_dict") if key in found), found))


def _spec(facts: Facts, background: str) -> ClipSpec:
    video: dict[str, Any] = {"pad": PAD} | facts.video
    place = Path()
    if facts.detector is not None:
        weights, size = detector_of(Path(facts.detector))
        place = weights.parent
        sampling = {"sampling": "discrete"} if "dsp" in weights.stem else {}
        video["detector"] = {"name": "rtdetrv2", "options": {"weights": weights.name, "size": size, **sampling}}
    checked = validate(VideoOptions, video, where="options of the videos").model_dump(mode="json")
    part = {key: checked.pop(key) for key in ("region", "animal")}
    for key in ("label", "balance"):
        del checked[key]
    stated = {"options": checked, "varies": [], "parts": [part], "folder": str(place)}
    vocabularies = {facts.task: tuple(facts.classes)}
    return ClipSpec(
        facts.fps, int(checked["size"]), vocabularies, preprocessing=stated, backgrounds={facts.task: background}
    )


def _keep(folder: Path, model: MvdClassifier, config: Config, spec: ClipSpec, source: Path, facts: Facts) -> None:
    hparams = {
        "method": "mvd",
        "mode": config.mode,
        "seed": config.seed,
        "options": config.model_dump(mode="json"),
        "dataset": "imported",
        "split": "all",
        "spec": yaml.safe_load(yaml.safe_dump(_plain(spec.to_dict()))),
        "versions": runs.environment(),
        "imported": {"file": source.name, "sha256": digest(source)},
    }
    for name in ("best", "last"):
        state.save_weights(folder / f"weights_{name}.safetensors", model)
    write_text(folder / "hparams.yaml", yaml.safe_dump(hparams, sort_keys=False, allow_unicode=True))
    detector = "the background" if facts.detector is None else Path(facts.detector).name
    lines = [
        f"# mvd, imported from {source.name}",
        "",
        "- Trained by the original program, on videos that its files do not name; its licence applies to the weights.",
        f"- Classes: {', '.join(facts.classes)}. Frame rate: {facts.fps:g}. The animal is found by {detector}.",
        "- How well it does on your videos is not known: label some and compare.",
        "",
    ]
    write_text(folder / "model_card.md", "\n".join(lines))
    runs.export_embedder(folder)
    log.info("%s became a run in %s", source, folder)


def _plain(value: Any) -> Any:
    """Return lists for tuples, which YAML does not know."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
