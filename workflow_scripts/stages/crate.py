"""Bundle where an experiment's numbers come from: a Workflow Run RO-Crate with cards, lock, versions and costs."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

from workflow_scripts.cards.page import markdown_card
from workflow_scripts.core.files import write_json
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.provenance.environment import git_state, timings, versions
from workflow_scripts.provenance.ro_crate import write_crate
from workflow_scripts.report.assemble import benchmarks
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    results, target = options.results, options.output.parent
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        part = Path(name)
        notes = benchmarks(options.logs, experiment.name, experiment.cards)
        (part / "benchmarks.csv").write_text(timings(notes).to_csv(index=False))
        software = versions()
        environment = {"versions": software, **git_state(options.root)}
        (part / "environment.json").write_text(json.dumps(environment, indent=1, sort_keys=True))
        files = {name: part / name for name in ("benchmarks.csv", "environment.json")}
        write_json(part / "configuration.json", experiment.results_config())
        files |= {"configuration.json": part / "configuration.json"}
        files |= {"requirements.lock": options.root / "requirements.lock"}
        for dataset in experiment.cards:
            # As it was read, whichever folder its YAML file is in.
            (part / f"{dataset}.json").write_text(experiment.cards[dataset].model_dump_json(exclude_defaults=True))
            files[f"cards/{dataset}.json"] = part / f"{dataset}.json"
            (part / f"{dataset}.md").write_text(markdown_card(experiment.cards[dataset]))
            files[f"cards/{dataset}.md"] = part / f"{dataset}.md"
        for run in experiment.runs:
            card = results / run.path() / "model_card.md"
            if card.is_file():
                files[f"results/model_cards/{run.path().removeprefix('runs/').replace('/', '-')}.md"] = card
        files |= {f"results/{table}.csv": results / f"{table}.csv" for table in ("comparison", "settings")}
        crate = part / "crate"
        ended = (results / "comparison.csv").stat().st_mtime
        write_crate(
            crate,
            experiment=experiment.name,
            description=experiment.config.description,
            files=files,
            workflow=options.root,
            cards=experiment.cards,
            software=software,
            # The run is known by its files: the first note of a job, and the comparison, which comes last.
            started=min((path.stat().st_mtime for paths in notes.values() for path in paths), default=ended),
            ended=ended,
        )
        shutil.rmtree(target, ignore_errors=True)
        crate.replace(target)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--root", type=Path, default=os.environ.get("ETHOMAKE_ROOT", "."), help="EthoMake's folder")
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--logs", type=Path, required=True, help="folder of the benchmark files")
    arguments.add_argument("--output", type=Path, required=True, help="the crate's ro-crate-metadata.json")
    start(arguments, work)
