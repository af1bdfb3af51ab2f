"""A new experiment on a dataset: commented YAML, with what suits the kind of data."""

from __future__ import annotations

import textwrap

import yaml

from workflow_scripts.cards.card import Card
from workflow_scripts.cards.splits import default_split
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.experiment.experiment import PROBED
from workflow_scripts.methods import Size
from workflow_scripts.methods.presets import presets

SIZES: dict[Size, str] = {
    "quick": "quick: minutes on a laptop, to see that card, labels and splits fit.",
    "full": "full: all that suits this kind of data, with small networks (config/default.yaml lists all options).",
}


def experiment_yaml(name: str, card: Card, size: Size) -> str:
    """Return an experiment's YAML.

    Parameters
    ----------
    name : str
        Of the experiment.
    card : Card
        Of its dataset.
    size : {"quick", "full"}

    Raises
    ------
    ConfigError
        When the card has no split, or no method suits it.
    """
    if not card.splits:
        raise ConfigError(
            f"The card of {card.name!r} has no split, so nothing can be held out; add one to it, e.g. "
            "`splits: {fold: {deal: 3}}`, which deals the groups into three parts. With one group there is nothing to "
            "deal: cut it by `blocks` in the card, or write an experiment of `splits: [all]`, whose final model is "
            "applied and never scored."
        )
    chosen = list(presets(card, size))
    if not chosen:
        raise ConfigError(f"No method suits the dataset {card.name!r} ({card.kind}, {len(card.tasks)} tasks).")
    lines = [
        f"# {SIZES[size]}",
        f"# Written by `ethomake new-experiment {name} --dataset {card.name} --preset {size}`; edit freely, then",
        f"#   ethomake check {name}      what would run",
        f"#   ethomake run {name}        run it; report: results/{name}/report/index.html",
        f"experiment: {name}",
        f"description: {_scalar(f'{card.title}: the preset {size}.')}",
        "datasets:",
        f"  {card.name}:",
        f"    splits: [{_scalar(default_split(card.splits))}]{_others(card)}",
    ]
    if card.tasks:
        lines.append(f"    # tasks: [{', '.join(map(_scalar, card.tasks))}]  # empty = all of them")
    lines.append("methods:")
    for method, preset in chosen:
        if preset.options == "{}":
            lines.append(f"  {method}: {{}} # {preset.why}")
        else:
            lines += [f"  {method}: # {preset.why}", textwrap.indent(preset.options.rstrip(), " " * 4)]
    sweeps = [(method, preset.sweep) for method, preset in chosen if preset.sweep]
    if sweeps:
        lines.append("sweep: # every value is a run of its own")
        for method, sweep in sweeps:
            lines += [f"  {method}:", textwrap.indent(sweep, " " * 4)]
    if card.kind in PROBED and card.tasks:
        lines += [
            "probe:",
            "  # Penalties of the linear readout, chosen without the test groups; small ones overfit.",
            "  alphas: [100, 1000, 10000]",
            "  max_train_frames: 20000",
        ]
    if card.kind == "tracks" and not card.tasks:
        lines += ["motifs: # no labels: stretches of similar movement instead", "  method: pca", "  largest: 12"]
    seeds = "[0]" if size == "quick" else "[0] # [0, 1, 2] for intervals over seeds, at three times the work"
    lines.append(f"seeds: {seeds}")
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """Return text as YAML, quoted where it must be, on one line."""
    return yaml.safe_dump(text, width=10**6, allow_unicode=True, default_flow_style=True).removesuffix("...\n").strip()


def _others(card: Card) -> str:
    rest = [name for name in card.splits if name != default_split(card.splits)]
    return f" # the card also has {', '.join(rest)}" if rest else ""
