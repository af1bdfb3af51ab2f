"""The action classifier for the training loop: loss, averaged weights, validation by bouts, rates by layer."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.behaviour.paths import Prices, best_paths, log_of, tune_prices
from workflow_scripts.behaviour.thresholds import (
    LEARNT,
    THRESHOLDS,
    Held,
    Rule,
    class_scores,
    decide,
    fit_temperature,
    guarded,
    shown_classes,
    skill,
    tune,
)
from workflow_scripts.methods.mvd.augment import augment, normalise
from workflow_scripts.methods.mvd.config import Config
from workflow_scripts.methods.mvd.data import ClipData, background_of
from workflow_scripts.methods.mvd.inference import Slider, Windowed, make_slider, slide
from workflow_scripts.methods.mvd.network import VideoTransformer
from workflow_scripts.methods.mvd.original import load_network
from workflow_scripts.methods.mvd.schedule import warm_cosine
from workflow_scripts.metrics.windows import merge_windows
from workflow_scripts.training.distributed import over_processes
from workflow_scripts.training.model import TrainedModel
from workflow_scripts.views.clips import ClipSpec

FloatArray = npt.NDArray[np.float32]


def make_network(config: Config, classes: int) -> VideoTransformer:
    """Build the network the (filled) options describe."""
    dims = config.dims
    network = VideoTransformer(
        dims.dim,
        dims.depth,
        dims.heads,
        classes,
        image_size=config.side,
        patch=config.patch,
        num_frames=config.num_frames,
        channels=4 if config.motion else 3,
        drop_path=config.drop_path,
        head_dropout=config.head_dropout,
        positions=config.positions,
        head=config.head or "window",
        checkpointing=config.gradient_checkpointing,
    )
    if config.init == "fan" and config.load_backbone is None:
        network.spread()
    return network


def _without_skill(module: MvdClassifier, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Let weights be loaded that were saved before the skill was kept with them."""
    state.setdefault(f"{prefix}skill", -torch.ones_like(module.skill))


class MvdClassifier(TrainedModel):
    """Network, its averaged copy, and how its probabilities become bouts; all of it is in the state dict.

    Parameters
    ----------
    config : Config
        Filled.
    spec : ClipSpec
        The videos it is made for; the classes' names are its.
    """

    temperature: Tensor
    rules: Tensor
    loss_weights: Tensor
    skill: Tensor

    def __init__(self, config: Config, spec: ClipSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.task = config.task or "action"
        self.classes = spec.vocabularies[self.task]
        self.background = background_of(self.classes, config.background, spec.backgrounds.get(self.task))
        self.network = make_network(config, len(self.classes))
        self.average = copy.deepcopy(self.network).requires_grad_(False) if config.ema else None
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("rules", torch.zeros(len(self.classes), 3))
        self.set_rules([Rule()] * len(self.classes))
        # Of each class, frame F1 on the validation videos and that of calling every frame; -1 = never measured.
        self.register_buffer("skill", -torch.ones(len(self.classes), 2))
        self.register_load_state_dict_pre_hook(_without_skill)  # type: ignore[no-untyped-call]
        if config.decision == "path":
            self.set_prices(Prices.plain(len(self.classes)))
        self.register_buffer("loss_weights", torch.ones(len(self.classes)), persistent=False)
        self._updates = -1
        self._held: list[tuple[Held, Tensor]] = []

    @property
    def judge(self) -> VideoTransformer:
        """The network that answers: the averaged one where there is one."""
        return self.average or self.network

    @property
    def slider(self) -> Slider:
        """How windows slide at inference."""
        return make_slider(self.config)

    def setup(self, stage: str) -> None:
        """Load the weights to start from, and take the classes' weights from the data."""
        if stage != "fit":
            return
        if self.config.load_backbone is not None:
            load_network(self.network, Path(self.config.load_backbone))
            if self.average is not None:
                self.average.load_state_dict(self.network.state_dict())
        self.network.patch_embed.requires_grad_(not self.config.freeze_blocks)
        for k, block in enumerate(self.network.blocks):
            block.requires_grad_(k >= self.config.freeze_blocks)
        weights = self._data.windows.class_weights(self.config.class_weights)
        self.loss_weights.copy_(torch.from_numpy(weights))

    @property
    def _data(self) -> ClipData:
        data: Any = self.trainer.datamodule
        found: ClipData = getattr(data, "inner", data)  # the loop wraps it
        return found

    def loss(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Soft-target cross-entropy, smoothed, over the labelled moments.

        Parameters
        ----------
        logits, targets : Tensor, shape (n, steps, classes)
        weights : Tensor, shape (n, steps)
        """
        smooth = self.config.label_smoothing
        targets = targets * (1 - smooth) + smooth / targets.shape[-1]
        each = -(targets * self.loss_weights * functional.log_softmax(logits.float(), dim=-1)).sum(dim=-1)
        return (each * weights).sum() / over_processes(weights.sum()).clamp(min=1e-8)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        """Change the windows at random and return the loss."""
        pixels, targets, weights = batch
        video, targets, weights = augment(pixels, targets, weights, self.config.side, self.config.augment)
        value = self.loss(self.network(normalise(video, motion=self.config.motion)), targets, weights)
        self.log("train_loss", value, on_step=False, on_epoch=True, batch_size=len(pixels))
        return value

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move the averaged weights after each step of the optimiser (not after each batch: some are accumulated)."""
        step = self.trainer.global_step
        if self.average is None or step == self._updates:
            return
        self._updates = step
        # Young averages forget faster, else the random start would stay in them for long.
        decay = min(float(self.config.ema or 0), (1 + step) / (10 + step))
        with torch.no_grad():
            for old, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
                old.lerp_(new, 1 - decay)

    def answer(self, video: Tensor) -> Tensor:
        """Return features and logits (n, steps, dim + classes) of windows, given as pixels or as embedded tubes."""
        network = self.judge
        features = network.moments(video)
        return torch.cat([features, network.head(features)], dim=-1)

    def watch(self, chunks: Any, length: int) -> tuple[Windowed, FloatArray, FloatArray]:
        """Slide over a video.

        Parameters
        ----------
        chunks : iterable of Tensor
            Bytes (n, side, side, 3) in order.
        length : int
            Frames of the video.

        Returns
        -------
        by_window : Windowed
        features : ndarray, float32, shape (time, dim)
        logits : ndarray, float32, shape (time, classes)
        """
        seen = slide(self.judge.patch_embed, self.answer, chunks, length, self.slider, self.device)
        dim = self.judge.dim
        frames = seen.frames if seen.frames.shape[1] else np.zeros((length, dim + len(self.classes)), np.float32)
        return seen, frames[:, :dim], frames[:, dim:]

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """Return calibrated probabilities (time, classes)."""
        found = torch.softmax(torch.from_numpy(logits) / self.temperature.cpu(), dim=1)
        return np.asarray(found.numpy())

    def notes(self) -> list[str]:
        """Return what a user must know of how well the classes were learnt: one sentence each, none where all is well.

        A class is reported that no held-out video shows, that was not learnt better than by calling every frame, or
        whose threshold is at the edge of those that are tried.
        """
        said = []
        measured = {code: self.skill[code].tolist() for code in range(len(self.classes)) if code != self.background}
        known = {code: values for code, values in measured.items() if min(values) >= 0}
        if not known:
            return ["the model was never tried on held-out videos: how well it does is not known"]
        if unseen := [self.classes[code] for code in measured if code not in known]:
            said.append(f"no held-out video shows {', '.join(unseen)}: how well that is recognised is not known")
        poor = {code: values for code, values in known.items() if values[0] < values[1] + LEARNT}
        if poor:
            listed = ", ".join(
                f"{self.classes[c]} (F1 {a:.2f}, calling every frame {b:.2f})" for c, (a, b) in poor.items()
            )
            said.append(f"hardly learnt, by the held-out videos: {listed}; train longer or on more bouts")
        if self.config.decision == "tuned" and self.background is not None:
            rules = self.get_rules()
            ends = (THRESHOLDS[0], THRESHOLDS[-1])
            edges = [code for code in known if np.isclose(rules[code].threshold, ends).any()]
            if edges:
                listed = ", ".join(f"{self.classes[code]} ({rules[code].threshold:g})" for code in edges)
                said.append(f"the threshold is at the edge of those that are tried: {listed}")
        return said

    def get_rules(self) -> list[Rule]:
        """Return the rules stored with the weights."""
        return [Rule(float(t), round(float(s)), round(float(g))) for t, s, g in self.rules.cpu()]

    def set_rules(self, rules: list[Rule]) -> None:
        """Store rules with the weights."""
        self.rules.copy_(torch.tensor([[r.threshold, float(r.shortest), float(r.gap)] for r in rules]))

    def get_prices(self) -> Prices:
        """Return the prices stored in the rules' place, where `decision` is `path`: bias and price, a class a row."""
        stored = self.rules.cpu().double().numpy()
        return Prices(stored[:, 0], stored[:, 1])

    def set_prices(self, prices: Prices) -> None:
        """Store prices with the weights."""
        self.rules[:, 0], self.rules[:, 1] = torch.from_numpy(prices.bias), torch.from_numpy(prices.enter)

    def choose(self, seen: Windowed, logits: FloatArray) -> npt.NDArray[np.int64]:
        """Return the class of every frame, by the rules of the mode."""
        if self.config.decision == "merge" and self.background is not None:
            by_window = seen.windows[:, self.judge.dim :]
            soft = np.asarray(torch.softmax(torch.from_numpy(by_window), dim=1).numpy())
            return merge_windows(seen.starts, soft, len(logits), self.slider.span, self.background)
        if self.config.decision == "path":
            return best_paths([log_of(self.probabilities(logits))], self.get_prices())[0]
        return decide(self.probabilities(logits), self.get_rules(), self.background)

    def validation_step(self, batch: int, batch_idx: int) -> None:
        """Watch one held-out video whole."""
        store = self._data.held
        recording = store.recordings[int(batch)]
        labels = recording.labels.get(self.task)
        if labels is None:
            return
        seen, _, logits = self.watch(store.stream(int(batch)), recording.n_frames)
        mask, truth = labels.mask, labels.values.astype(np.int64)
        said = self.choose(seen, logits) if self.config.decision == "merge" else truth
        self._held.append((Held(logits, truth, mask), torch.from_numpy(said)))

    def on_validation_epoch_end(self) -> None:
        """Calibrate, tune the rules, and log what they give on the held-out videos."""
        held = self._held
        self._held = []
        logits = torch.from_numpy(np.concatenate([item.probabilities[item.mask] for item, _ in held]))
        truth = torch.from_numpy(np.concatenate([item.truth[item.mask] for item, _ in held]))
        self.log("val_loss", float(functional.cross_entropy(logits, truth)))
        if self.config.decision == "merge":
            videos, said = [item for item, _ in held], [codes.numpy() for _, codes in held]
        else:
            self.temperature.fill_(fit_temperature(logits.numpy(), truth.numpy()))
            videos = [Held(self.probabilities(item.probabilities), item.truth, item.mask) for item, _ in held]
            if self.config.decision == "path":
                self.set_prices(tune_prices(videos, len(self.classes), self.background))
                said = best_paths([log_of(item.probabilities) for item in videos], self.get_prices())
            else:
                self.set_rules(tune(videos, len(self.classes), self.background, self.spec.fps))
                said = [decide(item.probabilities, self.get_rules(), self.background) for item in videos]
        shown = shown_classes(videos, len(self.classes), self.background)
        self._keep(videos, said, shown)
        scores = np.array([class_scores(videos, said, code) for code in shown]).reshape(-1, 2)
        bout, frame = (float(np.nan_to_num(scores[:, k]).mean()) if len(scores) else 0.0 for k in (0, 1))
        self.log("val_bout_f1", bout)
        self.log("val_frame_f1", frame)
        # Few bouts make many epochs equal; frames tell those apart.
        self.log("val_score", (bout + frame) / 2)

    def _keep(self, videos: list[Held], said: list[npt.NDArray[np.int64]], shown: list[int]) -> None:
        """Keep rules that do not call every frame of other videos, and how well the classes were learnt by them.

        The scores that choose the epoch are those of what was tuned.
        """
        if self.config.decision == "tuned" and self.background is not None:
            rules = self.get_rules()
            self.set_rules(guarded(videos, rules, self.background, self.spec.fps, shown))
            if self.get_rules() != rules:
                said = [decide(item.probabilities, self.get_rules(), self.background) for item in videos]
        self.skill.fill_(-1)
        for code in shown:
            self.skill[code] = torch.tensor(skill(videos, [codes == code for codes in said], code))

    def layer_rates(self) -> list[dict[str, Any]]:
        """Group what learns by its layer's factor of the rate and by its weight decay (none on vectors)."""
        depth, config = len(self.network.blocks), self.config
        groups: dict[tuple[int, bool], list[Tensor]] = {}
        for name, parameter in self.network.named_parameters():
            if not parameter.requires_grad:
                continue
            parts = name.split(".")
            layer = {"patch_embed": 0, "blocks": int(parts[1]) + 1 if parts[0] == "blocks" else 0}.get(
                parts[0], depth + 1
            )
            groups.setdefault((layer, parameter.ndim > 1), []).append(parameter)
        return [
            {
                "params": parameters,
                "lr": config.peak_rate * config.layer_decay ** (depth + 1 - layer),
                "weight_decay": config.weight_decay if decays else 0.0,
            }
            for (layer, decays), parameters in groups.items()
        ]

    def configure_optimizers(self) -> Any:
        """AdamW with a rate for each layer, linear warm-up and a cosine to a six-hundredth of the peak."""
        optimizer = torch.optim.AdamW(self.layer_rates(), lr=self.config.peak_rate, fused=True)
        return warm_cosine(optimizer, self.trainer, self.config.warmup_epochs, 600)
