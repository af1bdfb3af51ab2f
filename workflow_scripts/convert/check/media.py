"""Briefs of videos and images: a few pictures with what is known to be in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workflow_scripts.cards.card import Card, Shard
from workflow_scripts.convert.check.digests import Brief
from workflow_scripts.convert.clips import shard_options
from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.core.validation import deep_merge
from workflow_scripts.detectors import make
from workflow_scripts.sources import read_images, require_file
from workflow_scripts.video.frames import Region, samples
from workflow_scripts.video.metadata import probe

PICTURES = 3
SHOWN_IMAGES = 6


def video_brief(card: Card, shard: Shard, folder: Path) -> Brief:
    """Look at a video: its length and rate, and a few frames with the box that the card's detector finds.

    Raises
    ------
    InputError
        When it is no readable video, or the region reaches over its border.
    """
    path = folder / shard.file
    require_file(path)
    info = probe(path)
    options = shard_options(card, shard)
    region = Region(*options.region) if options.region else None
    if region and (region.x + region.width > info.width or region.y + region.height > info.height):
        raise InputError(
            path,
            f"is {info.width} × {info.height} pixels, and the region {options.region} reaches over its border",
            "correct region (x, y, width, height)",
        )
    made = Brief(shard.id, shard.group or shard.id, float(info.fps), info.n_frames)
    shown = (region.width, region.height) if region else (info.width, info.height)
    made.image_size, made.times = (float(shown[0]), float(shown[1])), info.times
    if info.variable:
        made.warnings.append("the frame rate varies; labels in seconds follow the time stamps")
    frames = [(number, planes) for number, planes in samples(info, 8, region)][:8]
    boxes = np.full((len(frames), 5), np.nan, np.float32)
    try:
        detector = make(options.detector.name, options.detector.options, folder)
        detector.fit(info, [planes for _, planes in samples(info, detector.samples, region)], region)
        boxes = detector.detect([planes for _, planes in frames], [number for number, _ in frames])
    except (EthoMakeError, OSError, ImportError) as error:
        made.warnings.append(f"no boxes are drawn: {error}")
    for k in np.linspace(0, len(frames) - 1, min(PICTURES, len(frames))).round().astype(int):
        picture = frames[k][1].rgb()
        step = max(1, max(picture.shape[:2]) // 320)
        made.frames.append((picture[::step, ::step], boxes[k, :4] / step))
    return made


def image_brief(card: Card, shard: Shard, folder: Path) -> Brief:
    """Look at a file of labelled images."""
    path = folder / shard.file
    images = read_images(card.source, path, deep_merge(card.options, shard.options))
    if card.keypoints and list(images.names) != card.keypoints:
        raise InputError(
            path,
            f"has the points {', '.join(images.names)}, the card {', '.join(card.keypoints)}",
            "correct keypoints in the card",
        )
    made = Brief(shard.id, shard.group or shard.id, float(images.fps), len(images.images), keypoints=images.names)
    made.missing = any_nan(images.points).mean(0)
    made.image_size = (float(images.images.shape[2]), float(images.images.shape[1]))
    made.warnings = list(images.warnings)
    made.label_frames = int((~np.isnan(images.points).any((1, 2))).sum())
    made.row = {"animals": len(np.unique(images.animal)), "source frames": len(np.unique(images.source_frame))}
    for k in np.linspace(0, len(images.images) - 1, min(SHOWN_IMAGES, len(images.images))).round().astype(int):
        made.frames.append((images.images[k], images.points[k]))
    return made
