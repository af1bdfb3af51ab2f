"""Workspaces: a user's own folder with `config/` and a Snakefile of a few lines, outside EthoMake's project folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import write_text
from workflow_scripts.core.project import project_folder

SNAKEFILE = '''"""EthoMake's workflow, wherever it is installed, on what config/ names; your own rules may follow."""

from workflow_scripts.core.project import project_folder


include: str(project_folder() / "Snakefile")


# An included file sets no default target.
rule everything:
    default_target: True
    input:
        rules.all.input,
'''

CONFIG = """\
# Settings of this workspace. `ethomake run NAME` runs config/experiments/NAME.yaml; a plain `snakemake` runs the
# experiment named here. Keys written here win over those of the experiment's file.
experiment: demo

# Folders that files are taken from before anything is downloaded, one sub-folder a dataset.
# mirrors: [/path/to/mirror]

# Let the other recordings and runs go on where one fails; what failed is listed in the report.
# keep_going: true
"""

IGNORE = """\
/.snakemake/
/data/
/logs/
/resources/
/results/
"""

README = """\
# {name}

A workspace of EthoMake. `config/` is yours: keep it under version control. Results are made again from it.

```sh
ethomake new-dataset RECORDINGS LABELS --name mine --write    # card of your own files: config/datasets/mine.yaml
ethomake check mine                                    # is it valid?
ethomake new-experiment first --dataset mine           # config/experiments/first.yaml, with comments
ethomake run first -n                                  # what would run
ethomake run first                                     # run it; the same command goes on where a killed run stopped
ethomake summary first                                 # five lines; the report is results/first/report/index.html
```

`RECORDINGS` and `LABELS` are your folders; add `--fps 30` where no file states the frame rate. To label the recordings
that have no labels, add this to `config/experiments/first.yaml` and run it again; their bouts and time budgets are in
`results/first/behaviour/`:

```yaml
apply:
  - dataset: mine
```

| command | what it does |
|---|---|
| `ethomake run NAME [arguments]` | an experiment; arguments after the name go to Snakemake |
| `ethomake run NAME --profile slurm` | on a cluster (`profiles/README.md`; edit `profiles/slurm/config.yaml` first) |
| `snakemake -n`, `snakemake --cores 2` | the experiment that `config/config.yaml` names |
| `snakemake --cores 2 --config experiment=first -- paper_figures` | its figures (`--` ends the list of settings) |
| `ethomake datasets`, `experiments`, `methods`, `sources` | lists of what there is, here and in EthoMake |

Cards and experiments of this folder come first, EthoMake's own second. Your recordings stay where they are.
"""


def places(root: Path | None = None) -> list[Path]:
    """Return the folders in which commands look up cards and experiments.

    Parameters
    ----------
    root : Path, optional
        The only folder, where a user names one. Without it the working directory comes first, EthoMake's own second.
    """
    return [root] if root is not None else [Path(), project_folder()]


def snakefile(folder: Path | None = None) -> Path:
    """Return the Snakefile of a workspace, or EthoMake's own where the folder has none."""
    own = (folder or Path()) / "Snakefile"
    return own if own.is_file() else project_folder() / "Snakefile"


def init(folder: Path) -> list[Path]:
    """Make a workspace.

    Parameters
    ----------
    folder : Path
        May exist, and may hold other files.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ConfigError
        When a file that would be written is there already; nothing is changed then.
    """
    own = project_folder()
    texts = {
        "Snakefile": SNAKEFILE,
        "config/config.yaml": CONFIG,
        "config/README.md": (own / "config" / "README.md").read_text(encoding="utf-8"),
        "config/datasets/.gitkeep": "",
        "config/experiments/.gitkeep": "",
        "README.md": README.format(name=folder.resolve().name),
        ".gitignore": IGNORE,
    }
    for path in sorted((own / "profiles").rglob("*")):
        if path.is_file():
            texts[path.relative_to(own).as_posix()] = path.read_text(encoding="utf-8")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; name a folder for the workspace.")
    taken = [name for name in [*texts, "slurm"] if os.path.lexists(folder / name)]
    if taken:
        shown = ", ".join(taken[:3]) + " …" * (len(taken) > 3)
        raise ConfigError(f"{folder} already holds {shown}; name another folder for the workspace.")
    for written, text in texts.items():
        write_text(folder / written, text)
    # `--profile slurm` looks for a folder of that name here, not below profiles/.
    try:
        (folder / "slurm").symlink_to(Path("profiles") / "slurm")
    except OSError:  # a file system without links
        shutil.copytree(folder / "profiles" / "slurm", folder / "slurm")
    return [folder / written for written in [*texts, "slurm"]]
