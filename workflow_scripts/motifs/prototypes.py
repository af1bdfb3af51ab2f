"""Scan and select: motifs of many models, clustered by Jaccard distance, one prototype a cluster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.signal import savgol_filter
from scipy.spatial.distance import squareform
from sklearn.metrics import silhouette_samples, silhouette_score

from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.names import slugify
from workflow_scripts.core.tables import write_csv
from workflow_scripts.core.typing import Float64Array
from workflow_scripts.motifs.hmm import annotation_path


@dataclass(frozen=True)
class Selection:
    """What selection found.

    Attributes
    ----------
    names : list of str
        Motifs that passed the filters, ``HMM_K_Motif_i``.
    distance : ndarray, shape (motifs, motifs)
        Jaccard.
    tree : ndarray, shape (motifs − 1, 4)
        Average linkage, leaves in optimal order.
    n_clusters : ndarray of int
        Cuts that were tried.
    scores : ndarray
        Mean silhouette of each.
    labels : ndarray of int, shape (cuts, motifs)
        Clusters 1, 2 … of each cut.
    best : int
        Place of the chosen cut in `n_clusters`.
    prototypes : list of int
        Numbers of the motifs that stand for their clusters, by cluster.
    """

    names: list[str]
    distance: Float64Array
    tree: Float64Array
    n_clusters: npt.NDArray[np.int64]
    scores: Float64Array
    labels: npt.NDArray[np.int64]
    best: int
    prototypes: list[int]

    @property
    def best_labels(self) -> npt.NDArray[np.int64]:
        """Clusters of the chosen cut."""
        chosen: npt.NDArray[np.int64] = self.labels[self.best]
        return chosen


def read_motifs(
    folder: Path, recordings: Sequence[str], low: int, high: int
) -> tuple[list[str], dict[str, npt.NDArray[np.bool_]]]:
    """Read the motif columns of all models from `low` to `high` states.

    Returns
    -------
    names : list of str
        ``HMM_K_Motif_i``, K after K.
    active : dict of str to ndarray of bool, shape (time, motifs)
        By recording.

    Raises
    ------
    InputError
        When a recording's file is absent or has other columns.
    """
    names: list[str] = []
    active = {}
    for recording in recordings:
        tables, found = [], []
        for n_states in range(low, high + 1):
            path = annotation_path(folder, recording, n_states)
            if not path.is_file():
                raise InputError(path, "the file does not exist", f"scan the motifs with {n_states} states")
            table = pd.read_csv(path, index_col=0)
            if list(table.columns) != [f"Motif_{k}" for k in range(n_states)]:
                raise InputError(
                    path, f"expected {n_states} motif columns, found {len(table.columns)}", "scan it again"
                )
            found += [f"HMM_{n_states}_{column}" for column in table.columns]
            tables.append(table.to_numpy(dtype=bool))
        names, active[recording] = found, np.concatenate(tables, axis=1)
    return names, active


def jaccard(active: npt.NDArray[np.bool_]) -> Float64Array:
    """Jaccard distance of all pairs of columns, by one matrix product; 0 between two empty columns.

    Parameters
    ----------
    active : ndarray of bool, shape (time, motifs)
    """
    # float32 sums of 0 and 1 are exact up to 2^24 frames, so longer data are summed in chunks.
    both = np.zeros((active.shape[1],) * 2)
    for start in range(0, len(active), 1 << 20):
        part = active[start : start + (1 << 20)].astype(np.float32)
        both += part.T @ part
    size = np.diag(both)
    either = size[:, None] + size[None] - both
    distance: Float64Array = 1 - np.divide(both, either, out=np.ones_like(both), where=either > 0)
    np.fill_diagonal(distance, 0)
    return distance


def _mean_bout(active: Sequence[npt.NDArray[np.bool_]]) -> Float64Array:
    """Mean bout of each column in frames; bouts end with their recording (the original joins them)."""
    frames = sum(part.sum(axis=0) for part in active)
    starts = sum(part[0].astype(int) + (part[1:] & ~part[:-1]).sum(axis=0) for part in active if len(part))
    mean: Float64Array = np.asarray(frames) / np.maximum(np.asarray(starts), 1)
    return mean


def _state_count(name: str) -> int:
    match = re.match(r"HMM_(\d+)_", name)
    return int(match[1]) if match else 0


def select(
    names: Sequence[str],
    active: Sequence[npt.NDArray[np.bool_]],
    *,
    fps: float,
    method: Literal["best", "min"] = "best",
    frame_threshold: float = 0.05,
    bout_threshold: float = 0.5,
    distance_threshold: float = 0.6,
) -> Selection:
    """Filter motifs, cluster them and choose a prototype a cluster.

    Parameters
    ----------
    names : sequence of str
    active : sequence of ndarray of bool, shape (time, motifs)
        One per recording.
    fps : float
    method : {"best", "min"}
        Prototype: the motif of highest silhouette, or of the smallest model.
    frame_threshold : float
        A motif covers at least this share of the frames.
    bout_threshold : float
        Its mean bout lasts at least so long, in seconds.
    distance_threshold : float
        Some other motif is nearer than this: a motif that one model alone found is left out.

    Raises
    ------
    EthoMakeError
        When fewer than four motifs are left: too few to choose a number of clusters.
    """
    everything = np.concatenate(list(active))
    keep = (everything.mean(axis=0) >= frame_threshold) & (_mean_bout(active) / fps >= bout_threshold)
    kept = np.flatnonzero(keep)
    distance = jaccard(everything[:, kept])
    if len(kept) > 1:
        near = (distance + np.diag(np.full(len(kept), np.inf))).min(axis=1) < distance_threshold
        kept, distance = kept[near], distance[np.ix_(near, near)]
    if len(kept) < 4:
        raise EthoMakeError(
            f"{len(kept)} of {len(names)} motifs passed the filters, and at least 4 are needed; "
            "lower frame_threshold or bout_threshold, or raise distance_threshold."
        )
    chosen_names = [names[int(k)] for k in kept]
    tree = linkage(squareform(distance, checks=False), method="average", optimal_ordering=True)
    cuts, scores, labels = [], [], []
    for n in range(2, len(kept)):
        clusters = fcluster(tree, n, criterion="maxclust")
        if len(set(clusters)) < 2:
            continue  # ties can make maxclust give a single cluster
        cuts.append(n)
        labels.append(clusters)
        scores.append(silhouette_score(distance, clusters, metric="precomputed"))
    curve = np.asarray(scores)
    window = min(max(3, len(kept) // 10), len(curve))
    smooth = savgol_filter(curve, window, min(2, window - 1)) if window > 2 else curve
    best = int(np.argmax(smooth))
    samples = silhouette_samples(distance, labels[best], metric="precomputed")
    prototypes = []
    for cluster in range(1, labels[best].max() + 1):
        members = np.flatnonzero(labels[best] == cluster)
        if method == "best":
            prototypes.append(int(members[np.argmax(samples[members])]))
        else:
            prototypes.append(int(min(members, key=lambda k: (_state_count(chosen_names[k]), k))))
    return Selection(
        chosen_names, distance, tree, np.asarray(cuts), curve, np.asarray(labels, np.int64), best, prototypes
    )


def select_prototypes(
    motifs: Path,
    folder: Path,
    recordings: Sequence[str],
    *,
    fps: float,
    low: int = 6,
    high: int = 32,
    method: Literal["best", "min"] = "best",
    frame_threshold: float = 0.05,
    bout_threshold: float = 0.5,
    distance_threshold: float = 0.6,
) -> Selection:
    """Select prototypes from the files of :func:`.motifs.scan_motifs`, and write them.

    Parameters
    ----------
    motifs : Path
        Folder of the scan.
    folder : Path
        Gets, in one folder per recording, `machineAnnotation_hmm{method}_{low}_{high}.csv` (binary columns
        ``HMM_K_Motif_i``, one per cluster; frames may carry several or none), and
        `info_hmm{method}_{low}_{high}.npz` with the original's arrays (clusters from 0, prototypes by their number
        among the motifs that passed the filters) and the names of these (`names`) and of the prototypes.
    recordings : sequence of str
    fps, method, frame_threshold, bout_threshold, distance_threshold
        See :func:`select`.
    low, high : int
        Smallest and largest model.
    """
    names, active = read_motifs(motifs, recordings, low, high)
    found = select(
        names,
        list(active.values()),
        fps=fps,
        method=method,
        frame_threshold=frame_threshold,
        bout_threshold=bout_threshold,
        distance_threshold=distance_threshold,
    )
    chosen = [found.names[k] for k in found.prototypes]
    columns = [names.index(name) for name in chosen]
    stem = f"hmm{method}_{low}_{high}"
    for recording, array in active.items():
        table = pd.DataFrame(array[:, columns].astype(np.int8), columns=chosen)
        write_csv(folder / slugify(recording) / f"machineAnnotation_{stem}.csv", table, index=True)
    with atomic_path(folder / f"info_{stem}.npz") as part:
        np.savez(
            part,
            cond_dist_matrix=squareform(found.distance, checks=False),
            link_matrix=found.tree,
            all_score=found.scores,
            all_n_clusters=found.n_clusters,
            all_labels=found.labels - 1,
            best_n_clusters=found.n_clusters[found.best],
            best_score=found.scores[found.best],
            best_labels=found.best_labels - 1,
            prototypes=np.asarray(found.prototypes),
            prototype_names=np.asarray(chosen),
            names=np.asarray(found.names),
        )
    return found
