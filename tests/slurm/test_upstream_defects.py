"""Defects of the versions in `requirements.lock` that the profiles work around, each shown on a real Slurm.

Here a failing test is good news: the defect is gone, and what its last line names may go too. Toy rules, all runs at
the same time: the cpu partition must have four CPUs, as `cluster.sh` gives it by default.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.slurm_runs import why_not

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.skipif(why_not() is not None, reason=why_not() or "")]

RETRIES = """
rule flaky:
    output: "never.txt"
    retries: 1
    resources: mem_mb=500, runtime=2
    shell: "echo try >> {workflow.basedir}/tries; exit 1"
"""
CANCELLED = """
rule slow:
    output: "slow.txt"
    resources: mem_mb=500, runtime=5
    shell: "sleep 300; touch {output}"
"""
ARRAYS = """
rule both:
    input: "1.txt", "2.txt"
rule one:
    output: "{k}.txt"
    wildcard_constraints: k="[12]"
    resources: mem_mb=500, runtime=2
    shell: "if [ {wildcards.k} = 2 ]; then sleep 12; exit 1; fi; echo done > {output}"
"""


def start(folder: Path, snakefile: str, *arguments: str) -> subprocess.Popen[bytes]:
    (folder / "Snakefile").write_text(snakefile)
    command = [sys.executable, "-m", "snakemake", "--executor", "slurm", "--jobs", "4", *arguments]
    command += ["--slurm-init-seconds-before-status-checks", "9", "--default-resources", "slurm_partition=cpu"]
    log = (folder / "log").open("wb")
    return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": ""})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Path, subprocess.Popen[bytes]]]]:
    squeue, sacct = ("--slurm-status-command", "squeue"), ("--slurm-status-command", "sacct")
    made = {}
    for name, snakefile, arguments in (
        ("retries", RETRIES, squeue),
        ("cancelled", CANCELLED, sacct),
        ("cancelled squeue", CANCELLED, squeue),
        ("arrays", ARRAYS, (*squeue, "--slurm-array-jobs", "one")),
    ):
        folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
        made[name] = (folder, start(folder, snakefile, *arguments))
    yield made
    for _, process in made.values():
        process.kill()
        process.wait()


def slurm_job(folder: Path) -> str:
    """Number of the job a run submitted, once it runs."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        said = (folder / "log").read_text()
        if "SLURM jobid " in said:
            number = said.split("SLURM jobid ")[1].split()[0]
            state = subprocess.run(["squeue", "-h", "-j", number, "-o", "%T"], capture_output=True, text=True).stdout
            if state.strip() == "RUNNING":
                return number
        time.sleep(1)
    raise AssertionError((folder / "log").read_text())


def test_a_rules_retries_are_obeyed_inside_the_job_too(
    folders: dict[str, tuple[Path, subprocess.Popen[bytes]]],
) -> None:
    folder, process = folders["retries"]
    assert process.wait(600) != 0
    tries = (folder / "tries").read_text().count("try")
    assert tries > 2, "gone: rules may have retries of their own (test_rules_keep_retries_to_the_profiles)"


def test_a_cancelled_job_is_waited_for_under_sacct_alone(
    folders: dict[str, tuple[Path, subprocess.Popen[bytes]]],
) -> None:
    for name in ("cancelled", "cancelled squeue"):
        subprocess.run(["scancel", slurm_job(folders[name][0])], check=True)
    assert folders["cancelled squeue"][1].wait(600) != 0, "with squeue, a cancelled job is a failed one at once"
    time.sleep(20)
    assert folders["cancelled"][1].poll() is None, "gone: slurm-status-command: squeue may leave the profiles"


def test_a_failing_element_of_an_array_takes_anothers_result_along(
    folders: dict[str, tuple[Path, subprocess.Popen[bytes]]],
) -> None:
    folder, process = folders["arrays"]
    assert process.wait(600) != 0
    assert not (folder / "1.txt").exists(), "gone: slurm-array-jobs may be used in the profiles"
