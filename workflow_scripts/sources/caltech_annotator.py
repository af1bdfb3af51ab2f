"""Caltech Behavior Annotator text files: channels S1, S2 … of 1-based inclusive intervals."""

from __future__ import annotations

from pathlib import Path

from workflow_scripts.files import atomic_path

TITLE = "Caltech Behavior Annotator - Annotation File"
RULE = "-" * 29


def _keys(names: list[str]) -> dict[str, str]:
    """Give every behaviour the one-letter key the tool wants: its first free letter, else any free sign."""
    taken: dict[str, str] = {}
    spare = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for name in names:
        free = (letter for letter in [*name.lower(), *spare] if letter in spare and letter not in taken.values())
        taken[name] = next(free, "?")
    return taken


def write(path: Path, channels: dict[str, list[tuple[int, int, str]]]) -> None:
    """Write intervals as a Caltech Behavior Annotator file.

    Parameters
    ----------
    path : Path
        The text file to make, whole or not at all.
    channels : dict of str to list of (int, int, str)
        By channel name (``S1``, ``S2``): first frame and last frame, both counted from 1 and both included, and
        the behaviour.

    Raises
    ------
    ValueError
        When an interval starts before frame 1 or ends before it starts.
    """
    names = list(dict.fromkeys(name for bouts in channels.values() for _, _, name in bouts))
    lines = [TITLE, "", "Configuration file:", *(f"{name}\t{key}" for name, key in _keys(names).items()), ""]
    for channel, bouts in channels.items():
        lines += [f"{channel}:\tstart\tend\ttype", RULE]
        for start, end, name in bouts:
            if not 1 <= start <= end:
                raise ValueError(f"interval {start} to {end} ({name}): frames count from 1 and the end is not before")
            lines.append(f"   \t{start}\t{end}\t{name}")
        lines.append("")
    with atomic_path(path) as part:
        # The tool runs on Windows and writes its line ends.
        part.write_text("\r\n".join([*lines, "  ", ""]), encoding="utf-8", newline="")
