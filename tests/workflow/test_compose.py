"""The compose file, read with an `.env` as an engine reads it, and its command run with folders in place of mounts.

There is no container engine where the tests run: the image is not built here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from builders.clips import film
from builders.originals import CLASSES, published_app


def variables(path: Path) -> dict[str, str]:
    """Read an `.env`: lines of NAME=value, comments left out."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def composed(value: Any, given: dict[str, str]) -> Any:
    """Fill in `${NAME:-default}` and `${NAME:?message}`; a missing name with a message is an error."""
    if isinstance(value, dict):
        return {key: composed(item, given) for key, item in value.items()}
    if isinstance(value, list):
        return [composed(item, given) for item in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        name, sign, rest = found.groups()
        if given.get(name):
            return given[name]
        if sign == ":?":
            raise KeyError(rest)
        return rest

    return re.sub(r"\$\{(\w+)(:-|:\?)([^}]*)\}", fill, value)


def service(root: Path, given: dict[str, str]) -> dict[str, Any]:
    text = (root / "containers" / "docker-compose.yml").read_text()
    made: dict[str, Any] = composed(yaml.safe_load(text), given)["services"]["predict"]
    return made


def test_the_example_is_complete_and_its_paths_are_required(root: Path) -> None:
    example = variables(root / "containers" / "example.env")
    made = service(root, example)
    assert made["environment"]["INPUT_NAME"] == example["INPUT"]
    for name in ("INPUT", "OUTPUT", "MODEL_DIR"):
        with pytest.raises(KeyError, match=f"set {name} in .env"):
            service(root, example | {name: ""})


def test_the_service_runs_as_composed(root: Path, tmp_path: Path) -> None:
    """A folder of videos, published weights with a detector, no GPU."""
    published_app(tmp_path)
    (tmp_path / "videos" / "day1").mkdir(parents=True)
    film(tmp_path / "videos" / "day1" / "GL1.MP4", 0, frames=40)
    given = variables(root / "containers" / "example.env") | {
        "INPUT": str(tmp_path / "videos"),
        "OUTPUT": str(tmp_path / "output"),
        "MODEL_DIR": str(tmp_path / "MVD"),
        "CLASSES": "|".join(CLASSES),
        "OVERLAY": "no",
    }
    made = service(root, given)
    mounts = {volume["target"]: volume["source"] for volume in made["volumes"]}
    mounts["/detector"] = str(tmp_path / "no_detector")  # the engine makes it, empty
    Path(mounts["/detector"]).mkdir()
    environment = {name: mounts.get(value, value) for name, value in made["environment"].items()}
    script = made["command"][1].replace("/opt/ethomake", str(root))
    done = subprocess.run(
        [sys.executable, script],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    summary = pd.read_csv(tmp_path / "output" / "summary.csv")
    assert summary[["output", "status"]].to_numpy().tolist() == [["day1/GL1", "ok"]]
    assert (tmp_path / "output" / "day1" / "GL1" / "bouts.csv").is_file()
