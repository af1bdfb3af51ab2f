"""What an experiment will ask the scheduler for, read from Snakemake's own dry run."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.core.errors import EthoMakeError


@dataclass(frozen=True)
class PlannedJob:
    """One job of a dry run: its rule, its cores, the memory, minutes and GPUs it asks for, and what it makes."""

    rule: str
    cores: int
    mem_mb: int
    minutes: int
    gpus: int
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedRule:
    """All jobs of one rule: their number, the largest job's cores and memory, and the hours of all together."""

    rule: str
    jobs: int
    cores: int
    mem_mb: int
    hours: float
    gpu_hours: float


class _Jobs(logging.Handler):
    """Collects the jobs that Snakemake's dry run lists."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[PlannedJob] = []

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) != "job_info":
            return
        job: Any = record
        resources = {key: value for key, value in dict(job.resources).items() if isinstance(value, int)}
        self.found.append(
            PlannedJob(
                job.rule_name,
                int(job.threads),
                resources.get("mem_mb", 0),
                resources.get("runtime", 0),
                resources.get("gpu", 0),
                tuple(map(str, job.output)),
            )
        )


def planned_jobs(
    snakefile: Path,
    config: dict[str, Any],
    folder: Path | None = None,
    *,
    targets: Sequence[str] = (),
    finished: bool = False,
) -> list[PlannedJob]:
    """Plan an experiment by Snakemake without running a job.

    Parameters
    ----------
    snakefile : Path
    config : dict
        Configuration as on Snakemake's command line, e.g. ``{"experiment": "demo"}``.
    folder : Path, optional
        Working directory, whose finished results are not planned again; None = a fresh one.
    targets : sequence of str
        Rules or files; by default the first rule of the Snakefile.
    finished : bool
        Also list the jobs whose results are finished.

    Raises
    ------
    EthoMakeError
        When Snakemake refuses to plan.
    """
    # Here, since Snakemake takes half a second to import.
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import WorkflowError
    from snakemake.logging import logger
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings

    jobs = _Jobs()
    with tempfile.TemporaryDirectory() as fresh:
        try:
            with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
                workflow = api.workflow(
                    resource_settings=ResourceSettings(cores=1),
                    config_settings=ConfigSettings(config=config),
                    snakefile=snakefile.resolve(),
                    workdir=Path(fresh) if folder is None else folder,
                )
                handlers = list(logger.handlers)
                logger.handlers[:] = [jobs]
                try:
                    dag = workflow.dag(DAGSettings(targets=set(targets), forceall=finished))
                    dag.execute_workflow(executor="dryrun")
                finally:
                    logger.handlers[:] = handlers
        except WorkflowError as error:
            raise EthoMakeError(f"Snakemake cannot plan the experiment: {' '.join(str(error).split())}") from error
    return jobs.found


def by_rule(jobs: Sequence[PlannedJob]) -> list[PlannedRule]:
    """Sum the jobs of each rule, in the order in which Snakemake lists them; the target rule is left out."""
    rules = dict.fromkeys(job.rule for job in jobs if job.mem_mb)
    found = []
    for rule in rules:
        own = [job for job in jobs if job.rule == rule]
        minutes = sum(job.minutes * job.cores for job in own)
        gpu_minutes = sum(job.minutes * job.gpus for job in own)
        cores, memory = max(job.cores for job in own), max(job.mem_mb for job in own)
        found.append(PlannedRule(rule, len(own), cores, memory, minutes / 60, gpu_minutes / 60))
    return found
