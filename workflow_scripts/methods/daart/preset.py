"""What a new experiment proposes for `daart`."""

from __future__ import annotations

from workflow_scripts.cards.card import Card
from workflow_scripts.methods import Preset, Size, frame_tasks


def preset(card: Card, size: Size) -> Preset | None:
    """Propose it in full experiments, where classes are labelled frame by frame; one network a task."""
    tasks = frame_tasks(card, "multiclass", "binary")
    if size == "quick" or not tasks:
        return None
    quantities = "symmetric" if len(card.individuals) > 1 else "named"
    options = f"""\
coordinates: none
quantities: {quantities} # named distances, speeds and angles
windows_s: [1, 5, 20] # their means over so many seconds
normalise: global
smooth_s: 1
network: {{n_hid_layers: 2, n_hid_units: 32, n_lags: 4, dropout: 0.3, input_dropout: 0.3}}
loss: {{weight_power: 0.5}} # rare classes count more
learning_rate: 0.001
sequences: {{batch_size: 8, trial_splits: "1;0;0;0"}}
training: {{max_epochs: 12, monitor: null, checkpoint_every: 12}}
"""
    return Preset(
        "supervised: classes from short sequences (docs/daart.md)",
        options,
        f"strong: [{', '.join(map(_quoted, tasks))}]",
    )


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
