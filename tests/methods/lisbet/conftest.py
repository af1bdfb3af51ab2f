"""Small recordings of two walkers, in files as the workflow writes them."""

import pytest
import torch
from builders.tracks import walkers
from builders.tracks import walkers_view as make_view

from workflow_scripts.views.tracks import DataSpec


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def view(tmp_path):
    return make_view(tmp_path, [walkers(f"r{k}") for k in range(3)])


@pytest.fixture
def spec():
    return DataSpec.of(walkers("r0", 5))
