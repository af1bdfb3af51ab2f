"""What the container of containers/docker-compose.yml runs: the model of MODEL_DIR on INPUT, results in OUTPUT.

Variables of the environment (see containers/example.env): MODEL_DIR, a run of EthoMake or a folder of published
weights; INPUT, a video or a folder; OUTPUT; and for published weights CLASSES (separated by `|`), FPS and DETECTOR_DIR.
INPUT_NAME is the name that the input has outside the container, where it is mounted under another.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.methods.predict_files import predict_files


def run_of(model: Path, environment: Mapping[str, str], scratch: Path) -> Path:
    """Return the folder of a run: that of MODEL_DIR, or one made of the published weights in it."""
    if any((folder / "config.yaml").is_file() for folder in (model, model / "embedder")):
        return model
    classes = [name.strip() for name in environment.get("CLASSES", "").split("|") if name.strip()]
    options: dict[str, Any] = {"classes": classes, "fps": float(environment.get("FPS") or 30)}
    detector = environment.get("DETECTOR_DIR", "")
    if detector and Path(detector).exists() and any(Path(detector).iterdir()):
        options["detector"] = detector
    methods.load("mvd").import_run(model, scratch / "run", options)
    return scratch / "run"


def named(source: Path, name: str, scratch: Path) -> Path:
    """Return the input under the name it has outside the container, by which results are called."""
    name = Path(name).name
    if source.is_dir() or not name or source.name == name:
        return source
    link = scratch / "input" / name
    link.parent.mkdir()
    link.symlink_to(source.resolve())
    return link


def main(environment: Mapping[str, str]) -> int:
    """Predict, and return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", force=True)
    try:
        missing = [key for key in ("MODEL_DIR", "INPUT", "OUTPUT") if not environment.get(key)]
        if missing:
            raise ConfigError(f"{', '.join(missing)} is not set; copy containers/example.env to .env and fill it in.")
        with tempfile.TemporaryDirectory() as scratch:
            run = run_of(Path(environment["MODEL_DIR"]), environment, Path(scratch))
            source = named(Path(environment["INPUT"]), environment.get("INPUT_NAME", ""), Path(scratch))
            confidence = float(environment.get("CONFIDENCE") or 0)
            overlay = environment.get("OVERLAY", "yes") != "no"
            predict_files(run, [source], Path(environment["OUTPUT"]), overlay=overlay, confidence=confidence)
    except EthoMakeError as error:
        logging.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
