"""One thin module per rule, of the same name: read paths and parameters, call one function, write.

Each is a program, `python -m workflow_scripts.stages.<rule> …`, and can be run by hand without Snakemake.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from workflow_scripts.errors import EthoMakeError
from workflow_scripts.files import explain_os_error

log = logging.getLogger("ethomake")


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return an argument parser with the `--log` every stage takes."""
    made = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    made.add_argument("--log", type=Path, help="file that gets every message, and the traceback of a defect")
    return made


def _set_up_logging(path: Path | None) -> None:
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    console.setLevel(logging.WARNING if path else logging.INFO)
    handlers: list[logging.Handler] = [console]
    # Of several processes that share a training, the first writes the log.
    if path is not None and {os.environ.get(name, "0") for name in ("LOCAL_RANK", "NODE_RANK")} == {"0"}:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(file)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # tells of every glyph it puts into a PDF


def start(arguments: argparse.ArgumentParser, work: Callable[[argparse.Namespace], None]) -> None:
    """Parse the command line, run `work`, and turn what a user can mend into one line and exit status 1.

    Parameters
    ----------
    arguments : ArgumentParser
        From :func:`parser`.
    work : callable
        Takes the parsed arguments.
    """
    options = arguments.parse_args()
    _set_up_logging(options.log)
    try:
        work(options)
    except EthoMakeError as error:
        log.error("%s", error)
        sys.exit(1)
    except OSError as error:
        # h5py and others pass a full disk on as an OSError of their own.
        if error.filename or error.errno:
            log.error("%s", explain_os_error(error, error.filename or "a file"))
        else:
            log.error("%s", error)
        log.debug("%s", traceback.format_exc())
        sys.exit(1)
    except Exception:
        log.exception("this is a defect of EthoMake, please report it with this log")
        sys.exit(2)
