"""What a new experiment proposes for `lisbet`."""

from __future__ import annotations

from workflow_scripts.cards.card import Card
from workflow_scripts.methods import Preset, Size, frame_tasks


def preset(card: Card, size: Size) -> Preset | None:
    """Propose it in full experiments; two of its tasks ask about a partner."""
    if size == "quick":
        return None
    tasks = ["order", "cons", "warp", "shift"] if len(card.individuals) > 1 else ["order", "warp"]
    labels = frame_tasks(card, "multiclass")[:1]
    learnt = [*tasks, "multiclass"] if labels else tasks
    quoted = [name.replace("'", "''") for name in labels]
    supervised = "".join(f"labels: ['{name}'] # the task it is fine-tuned on\n" for name in quoted)
    epochs = "pretrain_epochs: 1 # of max_epochs; the others fine-tune\n" if labels else ""
    scaling = max(1, round(card.fps / 10)) if card.fps else 1
    length = f"{48 * scaling / card.fps:.1f} s" if card.fps else f"{48 * scaling} frames"
    options = f"""\
tasks: [{", ".join(learnt)}]
{supervised}preset: 16x2
backbone: {{embedding_dim: 32, num_heads: 4, hidden_dim: 64, dropout: 0.3}}
window_size: 48 # tokens; with fps_scaling {scaling} about {length}
window_offset: 24 # as many after the frame as before it
fps_scaling: {scaling} # frames of data a token
replacement: true
batch_size: 32
label_batch: 64
learning_rate: 0.003
weight_decay: 0.05
{epochs}training: {{max_epochs: 3, monitor: null, batches_per_epoch: 150}}
"""
    sweep = "recipe: [pretrain, finetune]" if labels else ""
    return Preset("self-supervised, fine-tuned where there are labels (docs/lisbet.md)", options, sweep)
