"""Models of the original programs as runs of ours, and runs of ours in their layouts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from workflow_scripts import methods
from workflow_scripts.core.boundary import reading
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import digest, write_text
from workflow_scripts.core.validation import deep_merge, nearest
from workflow_scripts.methods.protocol import ExportsOriginals, ImportsOriginals, ImportsRuns
from workflow_scripts.methods.runs import (
    environment,
    export_embedder,
    load_embedder,
    plain_spec,
    write_yaml,
)
from workflow_scripts.methods.state import save_weights
from workflow_scripts.views.tracks import DataSpec


def facts_of(data: Path, task: str | None = None) -> methods.Facts:
    """Take what an original's files leave open from a converted dataset.

    Parameters
    ----------
    data : Path
        `tracks.h5`; its first recording is described, with the tasks that any of them is labelled for.
    task : str, optional
        Labelled task whose classes are the model's; default the only one with classes.
    """
    spec = DataSpec.of_file(data)
    labelled = [name for name, classes in spec.vocabularies.items() if classes]
    if task is not None and task not in labelled:
        raise ConfigError(f"{data}: there is no task {task!r} with classes{nearest(task, labelled)}.")
    chosen = task or (labelled[0] if len(labelled) == 1 else None)
    return methods.Facts(
        individuals=spec.individuals,
        keypoints=spec.keypoints,
        fps=spec.fps,
        unit=spec.unit,
        image_size=spec.image_size,
        task=chosen or "behaviour",
        classes=spec.vocabularies[chosen] if chosen else None,
    )


def import_run(
    source: Path,
    folder: Path,
    facts: methods.Facts | None = None,
    *,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
    data: Path | None = None,
) -> list[str]:
    """Make a run's folder of a model of an original program, ready to embed and to predict.

    Parameters
    ----------
    source : Path
        What the original wrote: a model folder, a version folder, a checkpoint.
    folder : Path
        Gets `hparams.yaml`, `model_card.md`, `weights_best.safetensors`, `weights_last.safetensors` and
        `embedder/{model.safetensors, config.yaml}`, heads of the original included.
    facts : Facts, optional
        What the original's files leave open.
    method : str, optional
        Method that the model belongs to; given by the files where empty.
    options : mapping, optional
        Options of the method laid over those that the files tell.
    data : Path, optional
        `tracks.h5` of a converted dataset that the model is for; where no `facts` are given, they are its
        (:func:`facts_of`).

    Returns
    -------
    list of str
        What was assumed; also in the model card.

    Raises
    ------
    InputError
        When no method recognises the files, they are damaged, or they leave open what cannot be assumed.
    """
    name = method or _method_of(source)
    functions = methods.load(name)
    if isinstance(functions, ImportsRuns):
        with reading(source, f"a model of the original of {name}", "check its files"):
            functions.import_run(source, folder, dict(options or {}), data=data)
        return []
    if not isinstance(functions, ImportsOriginals):
        raise ConfigError(f"The method {name} imports no models of an original program.")
    known_facts = facts or (facts_of(data) if data is not None else methods.Facts())
    with reading(source, f"a model of the original of {name}", "check its files"):
        made: methods.Imported = functions.import_original(source, known_facts)
    if options:
        merged = deep_merge(made.config.model_dump(mode="json"), dict(options))
        made = made._replace(config=methods.parse(name, merged))
    model = functions.build(made.config, made.spec)
    try:
        model.load_state_dict(made.state, strict=True)
    except RuntimeError as error:
        raise InputError(
            source, f"does not fit the model ({' '.join(str(error).split())})", "check its files"
        ) from error
    known = type(made.config).model_fields
    top = source if source.is_dir() else source.parent
    hparams = {
        "method": name,
        "mode": getattr(made.config, "mode", "sound"),
        "seed": made.config.seed if "seed" in known else 0,  # type: ignore[attr-defined]
        "options": made.config.model_dump(mode="json"),
        "dataset": "imported",
        "split": "all",
        "spec": plain_spec(made.spec),
        "versions": environment(),
        "imported": {
            "folder": top.name,
            "version": made.version,
            "sha256": {str(file.relative_to(top)): digest(file) for file in made.files},
            "assumed": made.notes,
        },
    }
    for weights in ("best", "last"):
        save_weights(folder / f"weights_{weights}.safetensors", model)
    write_yaml(folder / "hparams.yaml", hparams)
    write_text(folder / "model_card.md", _import_card(hparams, made, model))
    export_embedder(folder)
    return made.notes


def _method_of(source: Path) -> str:
    kinds = (ImportsOriginals, ImportsRuns)
    able = {name: found for name in methods.names() if isinstance(found := methods.load(name), kinds)}
    for name, functions in able.items():
        with reading(source, f"a model of the original of {name}", "check its files"):
            known = functions.recognises(source)
        if known:
            return name
    raise InputError(source, "is no model of an original program", f"expected one of {', '.join(able)}; check the path")


def _import_card(hparams: dict[str, Any], made: methods.Imported, model: torch.nn.Module) -> str:
    size = sum(tensor.numel() for tensor in model.state_dict().values())
    assumed = "".join(f"- Assumed: {note}\n" for note in made.notes)
    details = yaml.safe_dump({key: hparams[key] for key in ("options", "imported", "versions")}, sort_keys=False)
    return f"""# {hparams["method"]}, imported from {hparams["imported"]["folder"]} ({made.version})

- Trained by the original program, on data that its files do not name; its licence applies to these weights.
- Numbers kept: {size}. Input: {made.spec.describe()}.
- Use it on recordings of the same kind; others are refused.
{assumed}
```yaml
{details}```
"""


def export_run(run: Path, output: Path, **options: Any) -> list[Path]:
    """Write a run in the layout of the original program of its method.

    Parameters
    ----------
    run : Path
        Folder of a run with its `embedder/`.
    output : Path
    **options
        What the method's `export_original` takes.

    Returns
    -------
    list of Path
        Files written.

    Raises
    ------
    EthoMakeError
        When the method has no such layout, or the original cannot compute what the run does.
    """
    model, config = load_embedder(run / "embedder")
    functions = methods.load(config["method"])
    if not isinstance(functions, ExportsOriginals):
        raise ConfigError(f"Runs of the method {config['method']} are exported to no original program.")
    written: list[Path] = functions.export_original(model, run, output, **options)
    return written
