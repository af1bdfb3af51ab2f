"""Neurodata Without Borders: bouts as `EthogramBouts` (ndx-ethogram) and pose as `PoseEstimation` (ndx-pose), out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_scripts import __version__
from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.tracks import Recording

UNKNOWN_START = datetime(1970, 1, 1, tzinfo=UTC)


def write_nwb(
    path: Path,
    tasks: Mapping[str, Sequence[Bout]],
    fps: float,
    *,
    recording: str,
    method: str,
    vocabularies: Mapping[str, Sequence[str]],
    tracks: Recording | None = None,
    start: datetime = UNKNOWN_START,
) -> None:
    """Write one recording's bouts, and the pose they were derived from, as an NWB file.

    Parameters
    ----------
    path : Path
    tasks : mapping of str to sequence of Bout
        Bouts by task.
    fps : float
        Frames per second.
    recording : str
        Its id, which becomes the session's.
    method : str
        What made the bouts; kept as `source_software`.
    vocabularies : mapping of str to sequence of str
        All classes of each task, those that never occur included.
    tracks : Recording, optional
        Pose, one `PoseEstimation` an individual.
    start : datetime
        When the recording began. NWB asks for it; where nobody knows, 1970-01-01 is, and the session's description
        says so.

    Raises
    ------
    EthoMakeError
        When pynwb or its extensions are not installed.
    """
    try:
        import pynwb
        from ndx_ethogram import Ethogram, EthogramBouts
    except ImportError as error:
        raise EthoMakeError(
            f"{path}: writing NWB needs {error.name}, which is not installed; run `pip install ethomake[nwb]`."
        ) from error
    remark = "" if start != UNKNOWN_START else " The time of recording is not known; 1970-01-01 is in its place."
    file = pynwb.NWBFile(
        session_description=f"Recording {recording}, behaviour given by {method}.{remark}",
        # NWB wants a unique id; this one hangs on the content, so that the same bouts give the same id.
        identifier=str(uuid.uuid5(uuid.NAMESPACE_URL, f"ethomake:{recording}:{method}:{sorted(tasks)}")),
        session_start_time=start,
        session_id=recording,
    )
    behaviour = file.create_processing_module("behavior", "Pose and behaviour")
    if tracks is not None:
        _add_pose(behaviour, tracks)
    for task, bouts in tasks.items():
        catalogue = Ethogram(name=f"{task}_ethogram", description=f"Classes of {task}.", exclusive=True)
        for name in vocabularies[task]:
            catalogue.add_row(behavior=name, definition=f"class {name} of the task {task}")
        table = EthogramBouts(
            name=f"{task}_bouts",
            description=f"Bouts of {task}.",
            labeling_method="automated",
            source_software=f"EthoMake {__version__}: {method}",
            ethogram=catalogue,
        )
        for bout in bouts:
            table.add_row(start_time=bout.start / fps, stop_time=bout.stop / fps, label=bout.name)
        if any(bout.confidence is not None for bout in bouts):
            values = [float("nan") if bout.confidence is None else bout.confidence for bout in bouts]
            table.add_column("confidence", "Mean probability of the class over the bout.", data=values)
        behaviour.add(catalogue)
        behaviour.add(table)
    with atomic_path(path) as part, pynwb.NWBHDF5IO(part, "w") as handle:
        handle.write(file)


def _add_pose(behaviour: Any, tracks: Recording) -> None:
    from ndx_pose import PoseEstimation, PoseEstimationSeries, Skeleton, Skeletons

    skeleton = Skeleton(name="skeleton", nodes=list(tracks.keypoints))
    behaviour.add(Skeletons(skeletons=[skeleton]))
    for k, individual in enumerate(tracks.individuals):
        series = [
            PoseEstimationSeries(
                name=keypoint,
                description=f"{keypoint} of {individual}",
                data=tracks.position[:, k, j],
                unit=tracks.unit,
                reference_frame="(0, 0) is the upper left corner of the image.",
                rate=float(tracks.fps),
                starting_time=0.0,
                confidence=tracks.confidence[:, k, j],
                confidence_definition="as its source gave it",
            )
            for j, keypoint in enumerate(tracks.keypoints)
        ]
        pose = PoseEstimation(
            name=f"pose_{individual}",
            pose_estimation_series=series,
            description=f"Keypoints of {individual}.",
            skeleton=skeleton,
            source_software="see the dataset's card",
        )
        behaviour.add(pose)
