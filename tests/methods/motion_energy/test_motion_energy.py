import numpy as np
import pytest
from builders.clips import CLASSES, dataset, split

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.methods.motion_energy import method
from workflow_scripts.methods.runs import embed, export_embedder, train
from workflow_scripts.views.clips import ClipView


def test_motion_energy_tells_jerks_from_rest(tmp_path):
    view = ClipView(dataset(tmp_path, videos=2, length=120), split(["v0"], [], ["v1"]))
    train("motion_energy", {"mode": "sound", "options": {}}, view, folder=tmp_path / "run", seed=0)
    export_embedder(tmp_path / "run")
    embed(tmp_path / "run" / "embedder", view, tmp_path / "e.h5")
    truth = next(iter(view.test())).labels["action"].values
    with open_embeddings(tmp_path / "e.h5") as reader:
        found, names = reader.read("v1"), reader.names
    assert found.shape == (120, 11) and names[:3] == ["motion", "mean_0.1s", "spread_0.1s"]
    twitch = truth == CLASSES.index("twitch")
    inside = twitch & np.roll(twitch, 1)
    assert found[inside, 0].min() > np.median(found[truth == 0, 0])
    with pytest.raises(ConfigError, match="no published weights"):
        method.import_weights("x.pt")
