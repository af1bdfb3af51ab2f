"""Options of the hand features."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from workflow_scripts.kinematics.body_roles import RoleNames
from workflow_scripts.kinematics.quantities import CONTACT, NEAR, SMOOTH_S
from workflow_scripts.kinematics.windows import Windows
from workflow_scripts.methods import Options


class Config(Options):
    """Hand features and their rolling statistics (docs/features.md)."""

    label_free: ClassVar[bool] = True

    roles: RoleNames = Field(RoleNames(), description="Which keypoints are front, centre and rear.")
    identity: Literal["symmetric", "named"] = Field(
        "symmetric",
        description="symmetric: smallest and largest over the animals (and mean, of three or more), blind to which is "
        "which; named: one column per animal and ordered pair, for resident and intruder.",
    )
    windows_s: Windows = Field(
        [1.0, 5.0, 20.0], description="Centred windows, in seconds, of the rolling means and deviations."
    )
    smooth_s: float = Field(SMOOTH_S, ge=0, description="Centred mean over positions before anything else, in seconds.")
    contact: float = Field(CONTACT, gt=0, description="Two points closer than this touch, in body lengths.")
    near: float = Field(NEAR, gt=0, description="Two animals whose centres are closer are near, in body lengths.")

    components: int = Field(
        0,
        ge=0,
        description="Principal components of the standardised dimensions to keep (the training recordings'), so that "
        "the embedding is as wide as another; 0 = the dimensions themselves.",
    )
