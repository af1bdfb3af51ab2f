"""What Snakemake 9.27 keeps to itself when a submission fails."""

from __future__ import annotations

from typing import Any

_MARK = "_ethomake_says_why"


def say_why_groups_fail() -> None:
    """Let Snakemake print why a group of jobs could not be submitted, e.g. the sentence of `sbatch`.

    Of a single job it prints the executor's message; of a group it drops that message. Once is enough for a process.
    """
    from snakemake.jobs import GroupJob
    from snakemake.logging import logger

    if getattr(GroupJob, _MARK, False):
        return
    original = GroupJob.log_error

    def log_error(self: Any, msg: str | None = None, **options: Any) -> None:
        if msg:
            logger.error(msg)
        original(self, msg, **options)

    GroupJob.log_error = log_error
    setattr(GroupJob, _MARK, True)
