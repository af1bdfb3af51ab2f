"""Draw the graph of the experiment's rules as Snakemake sees it, in Graphviz's language."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.files import write_json, write_text
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.report.graph import EDGE, NODE
from workflow_scripts.stages import parser, start


def settled(dot: str) -> str:
    """Return a graph with its rules and edges in alphabetical order: Snakemake's order differs from run to run."""
    names = dict(NODE.findall(dot))
    rules = sorted(set(names.values()))
    lines = ["digraph snakemake_dag {", "    graph[bgcolor=white, margin=0];", "    node[shape=box, style=rounded];"]
    lines += [f'    {number}[label = "{rule}"];' for number, rule in enumerate(rules)]
    found = {(names[a], names[b]) for a, b in EDGE.findall(dot) if a in names and b in names}
    lines += [f"    {rules.index(a)} -> {rules.index(b)};" for a, b in sorted(found)]
    return "\n".join([*lines, "}", ""])


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(options.snakefile), "--nolock"]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        # This run only looks: without `keep_going` it would have the failures of the run that waits for it made again.
        write_json(config, read_resolved(options.config).results_config() | {"keep_going": True})
        # A planning run: the profile's cluster settings must not reach it.
        command += ["--configfile", str(config), "--profile", "none", "--quiet", "all", "--rulegraph", "dot"]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode or "digraph" not in found.stdout:
        raise EthoMakeError(f"Snakemake could not draw the rule graph: {found.stderr.strip().splitlines()[-1:]}.")
    write_text(options.output, settled(found.stdout[found.stdout.index("digraph") :]))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--snakefile", type=Path, required=True)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved configuration")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
