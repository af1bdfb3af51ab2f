"""One thin module per rule, of the same name: read paths and parameters, call one function, write.

Each is a program, `python -m workflow_scripts.stages.<rule> …`, and can be run by hand without Snakemake.
"""

from __future__ import annotations

import workflow_scripts.workflow.handover  # noqa: F401 - before the imports that take seconds; it may end this process

# isort: split
import argparse
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.files import explain_os_error, failure, write_failure
from workflow_scripts.workflow.environment import NOTES, QUIET, keep_going
from workflow_scripts.workflow.recovery import note_failure

log = logging.getLogger("ethomake")


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return an argument parser with the `--log` every stage takes."""
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument("--log", type=Path, help="file that gets every message, and the traceback of a defect")
    return made


def _set_up_logging(path: Path | None) -> None:
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    console.setLevel(logging.WARNING if path else logging.INFO)
    # A run that shows its jobs itself shows the end of this log where one fails.
    handlers: list[logging.Handler] = [] if path is not None and os.environ.get(QUIET) else [console]
    # Of several processes that share a training, the first writes the log.
    if path is not None and {os.environ.get(name, "0") for name in ("LOCAL_RANK", "NODE_RANK")} == {"0"}:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(file)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # tells of every glyph it puts into a PDF


Files = Callable[[argparse.Namespace], list[Path]]


def start(
    arguments: argparse.ArgumentParser,
    work: Callable[[argparse.Namespace], None],
    *,
    outputs: Files | None = None,
    inputs: Files | None = None,
) -> None:
    """Parse the command line, run `work`, and turn an error that the user can fix into one line and exit status 1.

    Parameters
    ----------
    arguments : ArgumentParser
        From :func:`parser`.
    work : callable
        Takes the parsed arguments.
    outputs : callable, optional
        Files that the stage makes. With `keep_going`, a stage that fails writes the reason into each of them, so that
        the other runs are compared; without this argument it ends the job.
    inputs : callable, optional
        Files of other runs' results that may contain such a reason, which is then passed on.
    """
    options = arguments.parse_args()
    _set_up_logging(options.log)
    made = outputs(options) if outputs is not None and keep_going() else []
    reason = next(filter(None, map(failure, inputs(options) if inputs else [])), None) if made else None
    if reason is not None:
        _survive(made, reason)
        return
    try:
        work(options)
    except EthoMakeError as error:
        log.error("%s", error)
        _survive(made, str(error))
    except OSError as error:
        # h5py and others pass a full disk on as an OSError of their own.
        if error.filename or error.errno:
            log.error("%s", explain_os_error(error, error.filename or "a file"))
        else:
            log.error("%s", error)
        log.debug("%s", traceback.format_exc())
        sys.exit(1)
    except Exception as error:
        log.exception("this is a defect of EthoMake, please report it with this log")
        _survive(made, f"{type(error).__name__}: {error} (a defect; see {options.log})", status=2)


def quarantine(name: str, error: EthoMakeError, output: Path) -> None:
    """Let a job go on without a recording that cannot be used, where the user asked to keep going; else raise.

    Parameters
    ----------
    name : str
        The recording.
    error : EthoMakeError
    output : Path
        The job's output, which is made again once the user no longer asks to keep going.
    """
    if not keep_going():
        raise error
    log.warning("quarantined %s: %s", name, error)
    note_failure(NOTES, output)


def _survive(outputs: list[Path], reason: str, status: int = 1) -> None:
    """Write the reason into the outputs, where the user asked to keep going; else end with `status`.

    A full disk and the like end the job all the same, and so does being killed: these may go better next time.
    """
    if not outputs:
        sys.exit(status)
    for path in outputs:
        write_failure(path, reason)
        note_failure(NOTES, path)
