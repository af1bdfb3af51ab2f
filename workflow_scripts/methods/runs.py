"""Train, export and embed any method of the registry, never asking which it is."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml
from safetensors import SafetensorError

from workflow_scripts import __version__, methods
from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.core.files import atomic_path, digest, write_text
from workflow_scripts.core.progress import metered
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.embeddings import write_embeddings
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.methods.protocol import Finishes
from workflow_scripts.methods.saved import read_run
from workflow_scripts.methods.state import Model, count, load_weights, save_weights
from workflow_scripts.training.devices import answering, inference_device, set_up, sparing
from workflow_scripts.views.registry import SPECS, Spec, View

log = logging.getLogger("ethomake.runs")

RUN_FILES = ("hparams.yaml", "metrics.csv", "weights_best.safetensors", "weights_last.safetensors", "model_card.md")
"""What training leaves in a run's folder, whichever the method."""

EMBEDDER_FILES = ("model.safetensors", "config.yaml")
"""What an exported embedder consists of."""

LIBRARIES = ("torch", "lightning", "numpy", "scipy", "h5py", "scikit-learn")


def environment() -> dict[str, str]:
    """Versions that may change a number."""
    return {"ethomake": __version__, "python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def write_yaml(path: Path, value: dict[str, Any]) -> None:
    """Write a mapping in its own order, whole or not at all."""
    write_text(path, yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def plain_spec(spec: Spec) -> dict[str, Any]:
    """Return a specification of data as values that YAML holds."""
    # safe_dump knows lists, not tuples.
    plain: dict[str, Any] = json.loads(json.dumps(spec.to_dict()))
    return plain


def spec_of(config: dict[str, Any]) -> Spec:
    """Return the specification of the data that a model was made for, from its configuration."""
    spec: Spec = SPECS[methods.config_model(config["method"]).kind].from_dict(config["spec"])
    return spec


def train(method: str, settings: dict[str, Any], view: View, *, folder: Path, seed: int, code: str = "") -> None:
    """Fit a method on the training recordings of a split.

    Parameters
    ----------
    method : str
        Name in the registry.
    settings : dict
        ``mode`` and ``options`` of the run.
    view : View
        The recordings, of the method's kind; only the training and validation ones are looked at.
    folder : Path
        Gets `hparams.yaml`, `metrics.csv`, `weights_best.safetensors`, `weights_last.safetensors`, `model_card.md`.
    seed : int
        Seeds the initialisation and every draw.
    code : str
        Digest of the code; with that of the data it says whether a half-finished training may go on.
    """
    options = dict(settings["options"])
    known = methods.config_model(method).model_fields
    options |= {key: value for key, value in {"seed": seed, "mode": settings["mode"]}.items() if key in known}
    functions = methods.load(method)
    set_up(seed)
    spec = view.spec()
    config = methods.parse(method, options).resolved(settings["mode"], spec.vocabularies)
    data = functions.prepare(view, config)
    model = functions.build(config, spec)
    # What a method trains on is not always what the split trains on: some add recordings without their labels.
    trained = list(getattr(data, "trained_on", view.split.train))
    hparams = {
        "method": method,
        "mode": settings["mode"],
        "seed": seed,
        "options": config.model_dump(mode="json"),
        "dataset": view.split.dataset,
        "split": view.split.name,
        "spec": plain_spec(spec),
        "versions": environment(),
    }
    training = getattr(config, "training", None)
    if training is not None:
        seen = data_digest(view, trained, config.files())
        _train_by_gradient(model, data, training, hparams, folder, f"{code} {seen}")
    else:
        _fit_in_closed_form(model, view, folder)
    if isinstance(functions, Finishes):
        functions.finish(folder)
    write_yaml(folder / "hparams.yaml", hparams | getattr(view, "about", dict)())
    write_text(folder / "model_card.md", _model_card(hparams, _training_lines(view, trained, hparams["seed"]), model))


def data_digest(view: View, trained: Sequence[str], files: Sequence[str] = ()) -> str:
    """Digest what a training sees.

    Parameters
    ----------
    view : View
        Its file holds the recordings' checksums.
    trained : sequence of str
        Recordings trained on.
    files : sequence of str
        Files or folders the training starts from.
    """
    parts_read = [digest(view.path), json.dumps([list(trained), view.split.validation])]
    for name in files:
        path = Path(name)
        parts = sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]
        parts_read += [digest(part) for part in parts if part.is_file()]
    return hashlib.sha256(" ".join(parts_read).encode()).hexdigest()


def _train_by_gradient(model: Any, data: Any, options: Any, hparams: dict[str, Any], folder: Path, inputs: str) -> None:
    # Lightning takes seconds to import, and most runs do without.
    from workflow_scripts.training.loop import fit

    fit(model, data, folder=folder, options=options, seed=hparams["seed"], hparams=hparams, digest=inputs)


def _fit_in_closed_form(model: Any, view: View, folder: Path) -> None:
    metrics = model.fit(view)
    save_weights(folder / "weights_best.safetensors", model)
    save_weights(folder / "weights_last.safetensors", model)
    write_csv(folder / "metrics.csv", pd.DataFrame([{"epoch": 0, **metrics}]), float_format="%.8g")
    log.info("fitted on %d recordings: %s", len(view.split.train), metrics)


def _training_lines(view: View, trained: Sequence[str], seed: int) -> list[str]:
    """Say what a model was trained on, test recordings included."""
    groups = ", ".join(sorted({view.split.groups[recording] for recording in trained}))
    lines = [f"Trained on {len(trained)} recordings of the groups {groups}; seed {seed}."]
    tested = len(set(trained) & set(view.split.test))
    if tested:
        lines.append(
            f"{tested} of them are test recordings of the split, seen without their labels (transductive): scores on "
            "them say nothing about animals that the model never saw."
        )
    return lines


def _model_card(hparams: dict[str, Any], about: Sequence[str], model: Model) -> str:
    size = count(model)
    lines = "\n".join(f"- {line}" for line in about)
    details = yaml.safe_dump({key: hparams[key] for key in ("options", "versions")}, sort_keys=False)
    return f"""# {hparams["method"]} ({hparams["mode"]}) on {hparams["dataset"]}, split {hparams["split"]}

{lines}
- Numbers kept: {size}. Input: {spec_of(hparams).describe()}.
- Use it on recordings of the same kind; others are refused.
- How well it does is in `probe.csv` beside this file and in the experiment's `comparison.csv`.

```yaml
{details}```
"""


def keep_imported(
    folder: Path,
    model: Model,
    method: str,
    config: methods.Options,
    spec: Spec,
    *,
    source: Path,
    dataset: str,
    about: str,
) -> None:
    """Write the folder of a run whose weights come from an original project: all but what training leaves.

    Parameters
    ----------
    folder : Path
    model : Model
        With the weights.
    method : str
    config : Options
    spec : Spec
        Of the data the model is for.
    source : Path
        The original's file or folder; its checksum is kept where it is a file.
    dataset : str
    about : str
        A sentence for the model card.
    """
    hparams = {
        "method": method,
        "mode": getattr(config, "mode", "faithful"),
        "seed": 0,
        "options": config.model_dump(mode="json"),
        "dataset": dataset,
        "split": "imported",
        "spec": plain_spec(spec),
        "versions": environment(),
        "imported": {"file": source.name} | ({"sha256": digest(source)} if source.is_file() else {}),
    }
    for name in ("best", "last"):
        save_weights(folder / f"weights_{name}.safetensors", model)
    write_yaml(folder / "hparams.yaml", hparams)
    lines = [f"Weights of the original project, imported from {source.name}; not trained here.", about]
    write_text(folder / "model_card.md", _model_card(hparams, lines, model))
    export_embedder(folder)


def export_embedder(folder: Path, weights: str = "best") -> None:
    """Write `embedder/{model.safetensors, config.yaml}` of a run: all that embedding needs.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    weights : {"best", "last"}
    """
    hparams = read_run(folder / "hparams.yaml")
    model = _restore(hparams, folder / f"weights_{weights}.safetensors")
    functions = methods.load(hparams["method"])
    keys = ("method", "mode", "seed", "options", "spec", "dataset", "split")
    kept = {key: hparams[key] for key in ("reading", "usual") if hparams.get(key)}
    config = {key: hparams[key] for key in keys} | kept | {"dimensions": functions.dimension_names(model)}
    files: dict[str, Path] = getattr(spec_of(hparams), "files", dict)()
    for name, path in files.items():  # a model that crops new videos takes its detector's weights along
        if not path.is_file():
            log.warning("%s is not there: new files can be predicted only where it is", path)
            continue
        with atomic_path(folder / "embedder" / "files" / name) as part:
            shutil.copyfile(path, part)
    save_weights(folder / "embedder" / "model.safetensors", model)
    write_yaml(folder / "embedder" / "config.yaml", config)


def _restore(config: dict[str, Any], weights: Path) -> Model:
    functions = methods.load(config["method"])
    spec = spec_of(config)
    model: Model = functions.build(methods.parse(config["method"], config["options"]), spec)
    try:
        model.load_state_dict(load_weights(weights, model), strict=True)
    except (SafetensorError, OSError) as error:
        raise InputError(weights, f"is no readable safetensors file ({error})", "run the train rule again") from error
    except RuntimeError as error:
        problem = " ".join(str(error).split())
        raise InputError(weights, f"does not fit the model ({problem})", "use the weights of this run") from error
    return model.eval()


def load_embedder(folder: Path) -> tuple[Model, dict[str, Any]]:
    """Read an exported embedder.

    Returns
    -------
    model : Model
    config : dict
        Method, options, data specification and dimension names.
    """
    config = read_run(folder / "config.yaml")
    return _restore(config, folder / "model.safetensors"), config


def on_device(embedder: Path) -> tuple[Model, dict[str, Any]]:
    """Read an exported embedder, on the GPU where the rules of its method ask for one and one is there."""
    model, config = load_embedder(embedder)
    set_up()
    if methods.config_model(config["method"]).neural:
        model = model.to(inference_device())
    return model, config


def embed(embedder: Path, view: View, output: Path, *, half: bool = False) -> None:
    """Embed every recording of a split, one in memory at a time, on the GPU where there is one; `half`: as float16.

    Raises
    ------
    EthoMakeError
        When a recording has another skeleton, order, unit or frame rate than the model was made for.
    """
    model, config = on_device(embedder)
    functions = methods.load(config["method"])
    spec = spec_of(config)
    total = len({*view.split.train, *view.split.validation, *view.split.test})

    def each() -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
        with answering():
            for recording in metered(view.everything(), f"embed {config['method']}", total, "recordings"):
                spec.check(recording)
                array = sparing(partial(functions.embed, model, recording))
                if len(array) != recording.n_frames:
                    raise EthoMakeError(
                        f"{config['method']} gave {len(array)} rows for the {recording.n_frames} frames of "
                        f"{recording.id!r}; its embed function must give one a frame."
                    )
                yield recording.id, array

    attributes = {key: config[key] for key in ("method", "mode", "seed", "options", "dataset", "split")}
    # Which recordings trained, in a few bytes: splits that hide different labels have them in common.
    attributes["training"] = hashlib.sha256("\n".join(sorted(view.split.train)).encode()).hexdigest()
    write_embeddings(output, each(), names=config["dimensions"], attributes=attributes, half=half)


def predict(embedder: Path, view: View, tasks: Sequence[str], output: Path, *, readout: str) -> None:
    """Write what a method says by itself about the held-out recordings of a split, beside the truth.

    Parameters
    ----------
    embedder : Path
        Folder of the exported model.
    view : View
    tasks : sequence of str
        Tasks to be judged; those the model knows nothing of are passed over.
    output : Path
        File of :mod:`workflow_scripts.formats.predictions`.
    readout : str
        Name of these predictions in result tables.

    Raises
    ------
    EthoMakeError
        When the model predicts none of the tasks, or knows other classes than the labels.
    """
    model, config = on_device(embedder)
    functions = methods.load(config["method"])
    spec = spec_of(config)
    declared: set[str] = set()
    with create_predictions(output) as writer, answering():
        for recording in view.test():
            spec.check(recording)
            said = sparing(partial(functions.predict, model, recording)) or {}
            for task in tasks:
                labels = recording.labels.get(task)
                if task not in said or labels is None:
                    continue
                if spec.vocabularies.get(task) != labels.vocabulary:
                    raise EthoMakeError(
                        f"The model knows the classes {spec.vocabularies.get(task)} of {task!r}, but {recording.id!r} "
                        f"is labelled with {labels.vocabulary}; use a model trained on the same classes."
                    )
                if task not in declared:
                    writer.task(
                        task,
                        kind=labels.kind,
                        level=labels.level,
                        vocabulary=labels.vocabulary,
                        background=labels.background,
                        readout=readout,
                    )
                    declared.add(task)
                group = view.split.groups[recording.id]
                writer.add(task, prediction_of(recording.id, group, labels, said[task]))
        if not declared:
            raise EthoMakeError(
                f"{config['method']} predicts none of the tasks {', '.join(tasks)}; train it with labels, or take its "
                "predictions out of the experiment."
            )


def prediction_of(recording: str, group: str, labels: Any, said: Any) -> Prediction:
    """Lay what a method says about a task beside its labels."""
    chosen: npt.NDArray[Any]
    scores: npt.NDArray[np.float32] | None
    if isinstance(said, methods.Decided):
        chosen, scores = said.codes, said.scores[:, 1] if labels.kind == "binary" else said.scores
    elif labels.kind == "points":
        chosen, scores = said, None
    elif labels.kind == "continuous":
        chosen, scores = said.reshape(len(said)), None
    else:
        chosen = said.argmax(axis=1)
        scores = said[:, 1] if labels.kind == "binary" else said
    return Prediction(recording, group, labels.values, labels.mask, chosen, scores)
