"""Let a trained run predict files that no experiment knows: `ethomake predict RUN FILES…`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.methods.runs import load_embedder

log = logging.getLogger("ethomake.predict")


def embedder_of(run: Path) -> Path:
    """Return the folder of a run's exported model: `<run>/embedder`, or `run` itself where it is that folder.

    Raises
    ------
    InputError
        When there is none.
    """
    for folder in (run / "embedder", run):
        if (folder / "config.yaml").is_file() and (folder / "model.safetensors").is_file():
            return folder
    raise InputError(
        run, "holds no exported model", "name a folder of a finished run, results/<experiment>/runs/…/seed<k>"
    )


def predict_files(run: Path, files: Sequence[Path], output: Path, *, overlay: bool = True) -> list[Path]:
    """Predict each file with the run's method, whose `predict_file` knows what files it takes and what it writes.

    Parameters
    ----------
    run : Path
        Folder of a run, or of its exported model.
    files : sequence of Path
        Two files of one name cannot be told apart in the output, and are refused.
    output : Path
        Gets a folder for each file, named for it.
    overlay : bool
        Write films or pictures with the predictions drawn in, where the method makes any.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ConfigError
        When the method predicts no files, or two files share their name.
    InputError
        When a file, or the run, cannot be used.
    """
    torch.set_num_threads(1)
    model, config = load_embedder(embedder_of(run))
    functions = methods.load(config["method"])
    if not hasattr(functions, "predict_file"):
        able = [name for name in methods.names() if hasattr(methods.load(name), "predict_file")]
        raise ConfigError(
            f"{config['method']} predicts no single files, {', '.join(able)} can; make a dataset of them instead "
            "(ethomake new-dataset)."
        )
    names = [file.stem for file in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"Two of the files are called {twice[0]!r}; predict them into different --output folders.")
    written: list[Path] = []
    for file in files:
        written += functions.predict_file(model, file, output / file.stem, overlay=overlay)
        log.info("%s → %s", file, output / file.stem)
    return written
