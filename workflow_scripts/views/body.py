"""How long the animals of a dataset are, the unit of distances in hand features."""

from __future__ import annotations

import numpy as np

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.kinematics.body_roles import Roles, body_length
from workflow_scripts.views.tracks import DataSpec, TrackView


def usual_body_length(view: TrackView, spec: DataSpec, roles: Roles) -> float:
    """Median over training recordings of the distance between front and rear, in the unit of the tracks.

    Raises
    ------
    EthoMakeError
        When no training recording shows both ends of an animal together, or one does not fit `spec`.
    """
    lengths = []
    for recording in view.train(()):
        spec.check(recording)
        lengths.append(body_length(recording.position, roles))
    usable = [length for length in lengths if np.isfinite(length) and length > 0]
    if not usable:
        raise EthoMakeError(
            f"{view.path}: the training recordings of split {view.split.name!r} never show front and rear of an "
            "animal together, so its body has no length; name other keypoints in the option roles."
        )
    return float(np.median(usable))
