"""What a new experiment proposes for `mvd`."""

from __future__ import annotations

from workflow_scripts.cards.card import Card
from workflow_scripts.methods import Preset, Size, frame_tasks


def preset(card: Card, size: Size) -> Preset | None:
    """Propose it where the videos have a task of exclusive classes."""
    tasks = frame_tasks(card, "multiclass")
    if not tasks:
        return None
    epochs = 2 if size == "quick" else 40
    options = f"""\
task: '{tasks[0].replace("'", "''")}'
size: nano # made for a CPU; with a GPU take small and name a checkpoint under load_backbone
num_frames: 16
sampling_rate: 1 # 2 sees twice as long
motion: true
batch: 16
samples: 256 # windows an epoch
learning_rate: 0.002
layer_decay: 1.0
warmup_epochs: {min(1.0, epochs / 2)}
drop_path: 0.0
infer_batch: 32
hop: 4 # frames between windows
augment: {{turn: 180, crop_area: 0.8, mix: 0.0}} # filmed from above or below; turn: 10 from the side
training: {{max_epochs: {epochs}, validate_every: 2}}
"""
    return Preset("a video transformer (docs/mouse_action.md)", options)
