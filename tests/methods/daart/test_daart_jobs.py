import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from builders.daart import DATA, MODEL, TRAIN, make_flies

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.methods.daart.project.grid import read_grid

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path):
    """Write the three files, with changes; return the configuration that names them."""
    make_flies(tmp_path / "data", frames=500)

    def write(**changes):
        places = {"data_dir": str(tmp_path / "data"), "results_dir": str(tmp_path / "results")}
        small = {"max_epochs": 1, "n_hid_units": 4}
        named = {}
        for name, template in (("data", DATA | places), ("model", MODEL), ("train", TRAIN)):
            values = {key: (changes | small).get(key, value) for key, value in template.items()}
            named[f"{name}_config"] = tmp_path / f"{name}.yaml"
            named[f"{name}_config"].write_text(yaml.safe_dump(values, sort_keys=False))
        return named

    return write


def snakemake(folder, named, *arguments):
    pairs = [f"{name}={path}" for name, path in named.items()]
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile.daart"), "--cores", "1", *arguments]
    done = subprocess.run([*command, "--config", *pairs], capture_output=True, text=True, cwd=folder, check=False)
    return done.returncode, done.stdout + done.stderr


def jobs(text):
    return re.findall(r"^(?:local)?rule (\w+):$", text, flags=re.M)


@pytest.mark.slow
def test_a_two_by_two_grid_is_a_job_a_point_and_runs_once(project, tmp_path):
    named = project(n_hid_layers=[1, 2], lambda_pred=[0, 1])
    code, text = snakemake(tmp_path, named)
    assert code == 0, text
    assert sorted(jobs(text)) == ["all", "gather", "point", "point", "point", "point"]
    folder = tmp_path / "results" / "multi-0" / "dtcn" / "test"
    versions = sorted(path.name for path in folder.glob("version_*"))
    assert versions == [f"version_{k}" for k in range(4)]
    assert set(pd.read_csv(folder / "leaderboard.csv").version) == set(versions)
    code, text = snakemake(tmp_path, named)
    assert code == 0 and jobs(text) == [] and "Nothing to be done" in text
    code, text = snakemake(tmp_path, project(n_hid_layers=[1, 2], lambda_pred=[0, 2]), "-n")
    assert code == 0 and sorted(jobs(text)) == ["all", "gather", "point", "point"]


def test_a_grid_is_known_before_its_data_are_read(project, tmp_path):
    grid = read_grid(project(n_hid_layers=[1, 2], lambda_pred=[0, 1]))
    assert len(grid.points) == 4 and grid.axes == ["n_hid_layers", "lambda_pred"]
    assert len(grid.inputs()) == 6 and all(Path(path).is_file() for path in grid.inputs())
    other = read_grid(project(n_hid_layers=[1, 2], lambda_pred=[0, 2]))
    assert len(set(grid.points) & set(other.points)) == 2 and grid.name == other.name


def test_files_that_are_not_named_are_a_sentence():
    with pytest.raises(ConfigError, match="--config model_config=FILE train_config=FILE"):
        read_grid({"data_config": "data.yaml"})
