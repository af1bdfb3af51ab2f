"""Let a run embed a converted dataset that no experiment pairs it with: `ethomake embed RUN DATA`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pandas as pd

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.tables import write_csv
from workflow_scripts.evaluation.mabe.submission import write_submission
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.splits import Split
from workflow_scripts.methods.predict_files import embedder_of
from workflow_scripts.methods.runs import embed
from workflow_scripts.views.registry import open_view


def embed_dataset(
    run: Path,
    data: Path,
    output: Path,
    *,
    tables: bool = False,
    frame_map: Path | None = None,
    position_zscore: bool = False,
) -> list[Path]:
    """Embed every recording of a converted dataset.

    Parameters
    ----------
    run : Path
        Folder of a run, trained or imported, or of its exported model.
    data : Path
        `tracks.h5`, `images.h5` or `clips/index.h5` of a dataset.
    output : Path
        Gets `embeddings.h5`.
    tables : bool
        Also write `<recording>/embedding.csv`, a row a frame.
    frame_map : Path, optional
        Order of a MABe 2022 submission; `submission.npy` is written then.
    position_zscore : bool
        Standardise the submission at each frame position over all recordings.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        When `run` holds no model, or a recording cannot name a folder.
    EthoMakeError
        When the recordings are of another kind than the model was made for.
    """
    embedder = embedder_of(run)
    with open_dataset(data) as reader:
        groups = {recording: reader.group(recording) for recording in sorted(reader.ids)}
    split = Split(data.resolve().parent.name, "all", "all", [], [], list(groups), groups)
    written = [output / "embeddings.h5"]
    embed(embedder, open_view(data, split), written[0])
    if tables:
        with open_embeddings(written[0]) as reader:
            names = reader.names
            for identifier in reader.ids:
                place = PurePosixPath(identifier)
                if place.is_absolute() or ".." in place.parts:
                    raise InputError(
                        data, f"the recording {identifier!r} cannot name a folder", "rename it in the card"
                    )
                path = output / place / "embedding.csv"
                write_csv(path, pd.DataFrame(reader.read(identifier), columns=list(names)), index=True)
                written.append(path)
    if frame_map is not None:
        written.append(output / "submission.npy")
        write_submission(written[0], frame_map, written[-1], position_zscore=position_zscore)
    return written
