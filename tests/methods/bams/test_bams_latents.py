from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from builders.tracks import mice as recording

from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.embeddings import write_embeddings
from workflow_scripts.formats.sections import read_section
from workflow_scripts.formats.tracks import Labels, write_tracks
from workflow_scripts.methods.bams.latents import latent_maps, write_latents_section
from workflow_scripts.report.sections import load

NAMES = [f"{pool}.{part}{k}" for pool in ("mean", "range") for part in ("short_term", "long_term") for k in range(3)]
TASKS = ["strain", "close", "day"]


def files(folder, n=8, names=NAMES):
    rng = np.random.default_rng(0)
    recordings, arrays = [], {}
    for k in range(n):
        labels = {
            "strain": Labels(np.array([k % 2], np.uint8), np.ones(1, bool), "sequence", "binary", ("B6", "BTBR")),
            "close": Labels((rng.random(40) < 0.25 * (k % 4)).astype(np.uint8), np.ones(40, bool), "frame", "binary"),
            "day": Labels(np.full(1, k / n, np.float32), np.ones(1, bool), "sequence", "continuous", ()),
        }
        recordings.append(dataclasses.replace(recording(f"r{k}", 40), labels=labels))
        array = rng.normal(0, 0.1, (40, len(names)))
        array[:, : len(names) // 4] += 5 * (k % 2)  # the short-term mean tells the strain
        arrays[f"r{k}"] = array.astype(np.float32)
    write_tracks(folder / "tracks.h5", recordings)
    write_embeddings(folder / "embeddings.h5", arrays.items(), names=names)
    return folder / "embeddings.h5", folder / "tracks.h5", arrays


def test_maps_are_the_principal_components_of_the_means(tmp_path):
    embeddings, tracks, arrays = files(tmp_path)
    maps = latent_maps(embeddings, tracks, TASKS)
    assert set(maps["map"]) == {"short", "long", "both"} and len(maps) == 3 * 8
    for name, columns in (("short", [0, 1, 2, 6, 7, 8]), ("long", [3, 4, 5, 9, 10, 11]), ("both", range(12))):
        means = np.stack([array.mean(0, dtype=np.float64) for array in arrays.values()])[:, list(columns)]
        centred = means - means.mean(0)
        u, s, _ = np.linalg.svd(centred)
        here = maps[maps["map"] == name]
        for k in range(2):  # the sign of a component is free
            np.testing.assert_allclose(np.abs(here[f"pc{k + 1}"]), np.abs(u[:, k] * s[k]), atol=1e-6)
        assert here["explained"].iloc[0] == pytest.approx((s[:2] ** 2).sum() / (s**2).sum())
    short = maps[maps["map"] == "short"].set_index("strain")["pc1"]
    assert abs(short["B6"].mean() - short["BTBR"].mean()) > 5
    assert maps["day"].iloc[4] == pytest.approx(0.5)


def test_the_section_goes_into_the_report(tmp_path):
    embeddings, tracks, _ = files(tmp_path)
    path = tmp_path / "sections" / "latents_toy" / "section.json"
    write_latents_section(embeddings, tracks, TASKS, "toy", path)
    assert [item.kind for item in read_section(path).items] == ["image", "table"]
    assert (path.parent / "latents.png").read_bytes().startswith(b"\x89PNG")
    assert list(pd.read_csv(path.parent / "latents.csv").columns)[-3:] == TASKS
    (section,) = load([path])
    assert section.dataset == "toy" and [kind for kind, _ in section.blocks] == ["media", "table"]


def test_refusals(tmp_path):
    embeddings, tracks, _ = files(tmp_path, n=2)
    with pytest.raises(InputError, match="fewer than three"):
        latent_maps(embeddings, tracks, TASKS)
    (tmp_path / "b").mkdir()
    embeddings, tracks, _ = files(tmp_path / "b", names=["pc1", "pc2", "pc3", "pc4"])
    with pytest.raises(InputError, match="no short-term"):
        latent_maps(embeddings, tracks, TASKS)
