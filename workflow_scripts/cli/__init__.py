"""The command `ethomake`: what a rule graph is bad at."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from workflow_scripts.cards.card import Card, card_path, load_card
from workflow_scripts.cards.page import human_size, markdown_card, total_size
from workflow_scripts.cards.published import load_published, with_published
from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.core.validation import nearest

Command = Callable[[argparse.Namespace], None]


def _names(root: Path) -> list[str]:
    folder = root / "config" / "datasets"
    if not folder.is_dir():
        raise ConfigError(
            f"There is no folder {folder} here; run ethomake in the project's folder or name it by --root."
        )
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _load(root: Path, name: str) -> Card:
    if name not in _names(root):
        raise ConfigError(f"There is no dataset {name!r} in config/datasets{nearest(name, _names(root))}.")
    return with_published(load_card(card_path(root, name)), load_published(root))


def _row(card: Card) -> list[str]:
    if card.simulate:
        size, kind = "made here", f"{card.kind}, twin"
    else:
        size, kind = human_size(total_size(card)), card.kind
    licence = textwrap.shorten(card.licence, 40, placeholder=" …")
    return [card.name, kind, str(len(card.shards)), ", ".join(card.tasks) or "-", size, licence]


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def list_datasets(options: argparse.Namespace) -> None:
    """Print a table of the cards; a broken one is named in its row and fails the command in the end."""
    rows = [["name", "kind", "shards", "tasks", "size", "licence"]]
    broken = []
    for name in _names(options.root):
        try:
            rows.append(_row(load_card(card_path(options.root, name))))
        except EthoMakeError as error:
            broken.append(str(error))
    _print_table(rows)
    if broken:
        raise ConfigError("\n".join(broken))


def show_card(options: argparse.Namespace) -> None:
    """Print a card as Markdown."""
    print(markdown_card(_load(options.root, options.name)), end="")


def new_dataset(options: argparse.Namespace) -> None:
    """Guess a card from a folder of files, say what was guessed, and write it on demand."""
    # Here and not above: it brings h5py and pandas, which the other commands do without.
    from workflow_scripts.cli.new_dataset import card_yaml, guess_card
    from workflow_scripts.core.files import write_text

    guess = guess_card(options.path, options.name)
    text = card_yaml(guess)
    target = card_path(options.root, guess.card["name"])
    print("Guessed:", *guess.guessed, sep="\n  ")
    print("Left to you:", *guess.unknown, sep="\n  ")
    if not options.write:
        print(f"\nThe card, to be written to {target} with --write:\n\n{text}", end="")
        return
    if target.exists():
        raise ConfigError(f"{target} exists already; choose another name with --name, or delete that card first.")
    write_text(target, text)
    print(f"Written: {target}")


def config_files(options: argparse.Namespace) -> None:
    """Compare the generated configuration files with the models, or write them."""
    from workflow_scripts.core.files import write_text
    from workflow_scripts.experiment.generated_files import generated

    for path, text in generated(options.root).items():
        current = path.read_text(encoding="utf-8") if path.is_file() else None
        if current == text:
            continue
        if not options.write:
            raise ConfigError(f"{path} is not what the models say; run `ethomake config --write` and commit it.")
        write_text(path, text)
        print(f"Written: {path}")


def check_experiment(options: argparse.Namespace) -> None:
    """Validate an experiment and its cards, and say what it would run."""
    from workflow_scripts.core.files import read_yaml
    from workflow_scripts.experiment.experiment import load_experiment

    path = Path(options.experiment)
    overrides = read_yaml(path) if path.suffix in {".yaml", ".yml"} else {"experiment": options.experiment}
    experiment = load_experiment(options.root, overrides)
    rows = [["dataset", "method", "point", "splits", "seeds"]]
    for dataset in experiment.cards:
        for method in dict.fromkeys(run.method for run in experiment.runs if run.dataset == dataset):
            runs = [run for run in experiment.runs if (run.dataset, run.method) == (dataset, method)]
            for point in dict.fromkeys(run.point for run in runs):
                chosen = [run for run in runs if run.point == point]
                splits, seeds = {run.split for run in chosen}, {str(run.seed) for run in chosen}
                rows.append([dataset, method, point, ", ".join(sorted(splits)), ", ".join(sorted(seeds))])
    _print_table(rows)
    print(f"The experiment {experiment.name!r} is valid: {len(experiment.runs)} runs.")


def plan_experiment(options: argparse.Namespace) -> None:
    """Print what an experiment's jobs will ask a cluster for, rule by rule."""
    from workflow_scripts.core.files import read_yaml
    from workflow_scripts.experiment.experiment import load_experiment
    from workflow_scripts.workflow.resources import plan

    path = Path(options.experiment)
    overrides = read_yaml(path) if path.suffix in {".yaml", ".yml"} else {"experiment": options.experiment}
    planned = plan(load_experiment(options.root, overrides))
    rows = [["rule", "jobs", "cores", "memory (MB)", "core hours", "GPU hours"]]
    for rule in planned:
        numbers = (rule.jobs, rule.cores, rule.mem_mb, f"{rule.hours:.1f}", f"{rule.gpu_hours:.1f}")
        rows.append([rule.rule, *map(str, numbers)])
    hours, gpu_hours = sum(rule.hours for rule in planned), sum(rule.gpu_hours for rule in planned)
    rows.append(["all", str(sum(rule.jobs for rule in planned)), "", "", f"{hours:.1f}", f"{gpu_hours:.1f}"])
    _print_table(rows)
    print("Hours are what the scheduler is asked for: several times what jobs took where this was measured.")


def summarise(options: argparse.Namespace) -> None:
    """Print five lines about a finished experiment."""
    from workflow_scripts.report.assemble import five_line_summary

    print(five_line_summary(Path("results") / options.experiment))


def keep_results(options: argparse.Namespace) -> None:
    """Copy a finished experiment's tables to docs/results, with date, commit and machine."""
    import datetime

    from workflow_scripts.cli.keep import keep

    results = Path("results") / options.experiment
    table = results / "comparison.csv"
    day = datetime.date.fromtimestamp(table.stat().st_mtime) if table.is_file() else datetime.date.min
    print(f"Kept: {keep(options.root, results, day)}")


def evaluate_submission(options: argparse.Namespace) -> None:
    """Score a MABe 2022 submission with the linear evaluator."""
    from workflow_scripts.evaluation.mabe.evaluator import evaluate_mabe

    table = evaluate_mabe(
        options.submission,
        options.labels,
        options.split,
        animal=options.task,
        mode=options.mode,
        strict=not options.lenient,
        output=options.output,
    )
    print(table.to_string(index=False))


def train_daart(options: argparse.Namespace) -> None:
    """Train the grid that an existing daart project's three YAML files span."""
    files = (options.data_config, options.model_config, options.train_config)
    if options.search:
        from workflow_scripts.methods.daart.project.search import search

        versions = search(*files, trials=options.search, sampler=options.sampler)
    else:
        from workflow_scripts.methods.daart.project.versions import run

        versions = run(*files, workers=options.workers)
    for folder in dict.fromkeys(version.folder for version in versions):
        print(folder)


def trace_result(options: argparse.Namespace) -> None:
    """Say where a figure or table came from, back to the downloads."""
    from workflow_scripts.cli.trace import trace

    for line in trace(options.root, options.path):
        print(line)


def export_predictions(options: argparse.Namespace) -> None:
    """Write a run's predictions as bouts for other programs."""
    from workflow_scripts.behaviour.exports import export_bouts

    run = options.predictions
    found = export_bouts(
        run, options.tracks, options.output, form=options.format, tasks=options.task, method=run.parent.as_posix()
    )
    for path in found:
        print(path)


def export_training_clips(options: argparse.Namespace) -> None:
    """Cut a dataset's clips out of its videos."""
    from workflow_scripts.behaviour.exports import export_clips

    for path in export_clips(options.index, options.videos, options.output, mode=options.mode):
        print(path)


def predict(options: argparse.Namespace) -> None:
    """Predict files with a trained run, and say what was written."""
    # Here and not above: it brings torch.
    from workflow_scripts.cli.predict import predict_files

    for path in predict_files(options.run_folder, options.files, options.output, overlay=not options.no_overlay):
        print(path)


def run_daart_job(options: argparse.Namespace) -> None:
    """Do one job of Snakefile.daart."""
    from workflow_scripts.methods.daart.project.grid import read_grid
    from workflow_scripts.methods.daart.project.jobs import gather, run_point

    found = read_grid(vars(options))
    if options.job == "gather":
        gather(found, options.output)
    else:
        run_point(found, options.job, options.output)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ethomake", description="Datasets, cards and checks around the workflow.")
    parser.add_argument("--root", type=Path, default=Path(), help="folder that holds config/ (default: this one)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    add("datasets", list_datasets, "List the datasets that have a card.")
    add("card", show_card, "Print a dataset's card.").add_argument("name", help="name of the dataset")
    new = add("new-dataset", new_dataset, "Guess a card from your own files and say what was guessed.")
    new.add_argument("path", type=Path, help="folder of tracking and label files")
    new.add_argument("--name", help="name of the dataset (default: the folder's)")
    new.add_argument("--write", action="store_true", help="write config/datasets/<name>.yaml")
    config = add("config", config_files, "Check that the generated configuration files fit the models.")
    how = config.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="compare only (the default)")
    how.add_argument("--write", action="store_true", help="write config/default.yaml and the JSON schemas")
    check = add("check", check_experiment, "Validate an experiment and say what it would run.")
    check.add_argument("experiment", help="name in config/experiments, or a YAML file")
    plan = add("plan", plan_experiment, "Predict an experiment's jobs, memory, hours and GPU hours, rule by rule.")
    plan.add_argument("experiment", help="name in config/experiments, or a YAML file")
    files = add("predict", predict, "Predict files with a trained run.")
    files.add_argument("run_folder", metavar="RUN", type=Path, help="results/<experiment>/runs/…/seed<k>")
    files.add_argument("files", metavar="FILE", type=Path, nargs="+", help="videos, or stacks of images (npz, npy)")
    files.add_argument("--output", type=Path, default=Path("predictions"), help="gets a folder for each file")
    files.add_argument("--no-overlay", action="store_true", help="write no film with the predictions drawn in")
    summary = add("summary", summarise, "Print five lines about a finished experiment.")
    summary.add_argument("experiment", help="name of the experiment")
    where = add("trace", trace_result, "Say where a figure or table came from, back to the downloads.")
    where.add_argument("path", type=Path, help="a file below results/<experiment>/")
    bouts = add("export-bouts", export_predictions, "Write a run's predictions as bouts for other programs.")
    bouts.add_argument("predictions", type=Path, help="predictions.h5 or probe_predictions.h5 of a run")
    bouts.add_argument("--tracks", type=Path, required=True, help="tracks.h5 of its dataset")
    bouts.add_argument("--format", choices=["csv", "boris", "elan", "nwb"], default="csv")
    bouts.add_argument("--task", action="append", help="task to write, repeatable (default: all by frame)")
    bouts.add_argument("--output", type=Path, default=Path("bouts"), help="folder of the files (default: bouts)")
    clips = add("export-clips", export_training_clips, "Cut a dataset's training clips out of its videos, a file each.")
    clips.add_argument("index", type=Path, help="data/<dataset>/clips/index.h5")
    clips.add_argument("--videos", type=Path, required=True, help="folder of its videos, resources/<dataset>")
    clips.add_argument("--mode", choices=["faithful", "sound"], default="faithful", help="whose clips")
    clips.add_argument("--output", type=Path, default=Path("clips"), help="folder of the files (default: clips)")
    kept = add("keep", keep_results, "Copy a finished experiment's tables to docs/results.")
    kept.add_argument("experiment", help="name of the experiment")
    mabe = add("evaluate-mabe", evaluate_submission, "Score a MABe 2022 submission with the linear evaluator.")
    mabe.add_argument("--task", choices=["mouse", "fly"], default="mouse", help="which of the two benchmarks")
    mabe.add_argument("--submission", type=Path, required=True, help="embeddings, npy in the official layout")
    mabe.add_argument("--labels", type=Path, required=True, help="the official labels, npy")
    mabe.add_argument("--split", type=Path, required=True, help="the official split, JSON")
    mabe.add_argument(
        "--mode", choices=["mabe-compat", "sound"], default="sound", help="as published, or as it should be"
    )
    mabe.add_argument("--lenient", action="store_true", help="take what the official evaluator refuses, e.g. float64")
    mabe.add_argument("--output", type=Path, help="table to write, csv")
    daart = add("daart", train_daart, "Train the grid that a daart project's three YAML files span.")
    for name in ("data", "model", "train"):
        daart.add_argument(f"--{name}_config", type=Path, required=True, help=f"the project's {name} YAML")
    job = add("daart-job", run_daart_job, "Do one job of Snakefile.daart, which spreads that grid over jobs.")
    for name in ("data", "model", "train"):
        job.add_argument(f"--{name}_config", type=Path, required=True, help=f"the project's {name} YAML")
    job.add_argument("--output", type=Path, required=True)
    job.add_argument("job", help="gather, or the digest of a point")
    daart.add_argument("--workers", type=int, default=1, help="points trained side by side")
    daart.add_argument("--search", type=int, metavar="N", help="train N points that Optuna draws, not the whole grid")
    daart.add_argument("--sampler", choices=["tpe", "random"], default="tpe", help="how they are drawn")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; what a user can mend is one sentence on stderr and exit status 1.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process where empty.

    Returns
    -------
    int
        Exit status.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except EthoMakeError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # `ethomake card NAME | head`
        sys.stderr.close()
    return 0
