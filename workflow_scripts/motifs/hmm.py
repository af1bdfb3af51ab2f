"""Motifs: a Gaussian hidden Markov model on embeddings, one number of states per call."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.core.files import atomic_path, write_text
from workflow_scripts.core.names import slugify
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.motifs.gaussian_hmm import FastGaussianHMM

log = logging.getLogger("ethomake.lisbet")

FIELDS = ("startprob", "transmat", "means", "covars")


@dataclass(frozen=True)
class Scan:
    """A fitted model and its states.

    Attributes
    ----------
    model : FastGaussianHMM
    states : dict of str to ndarray of int16, shape (time,)
        Viterbi path by recording.
    history : list of float
        Log-likelihood by EM iteration.
    metrics : dict of str to float
        ``ll``, ``aic``, ``bic``.
    """

    model: FastGaussianHMM
    states: dict[str, npt.NDArray[np.int16]]
    history: list[float]
    metrics: dict[str, float]


def fit_hmm(
    embeddings: Mapping[str, npt.NDArray[np.float32]],
    n_states: int,
    *,
    n_iter: int = 10,
    seed: int = 0,
    restarts: int = 1,
    fit_on: Sequence[str] | None = None,
    fit_frac: float | None = None,
    replace: bool = False,
) -> Scan:
    """Fit a full-covariance Gaussian HMM and find the states of every recording.

    Parameters
    ----------
    embeddings : dict of str to ndarray, shape (time, dim)
        By recording.
    n_states : int
    n_iter : int
        EM iterations at most; they end earlier where the log-likelihood gains less than 1e-3.
    seed : int
    restarts : int
        Fits from different starts, of which the likeliest is kept; EM ends in poor optima from some (the original
        tries one).
    fit_on : sequence of str, optional
        Recordings fitted on (the training ones); default all.
    fit_frac : float, optional
        Share of them drawn for the fit, rounded to whole recordings.
    replace : bool
        Draw with replacement and round up, as the original does.

    Raises
    ------
    EthoMakeError
        When there are fewer frames than the model has states.
    """
    ids = list(embeddings if fit_on is None else fit_on)
    if fit_frac is not None:
        size = math.ceil(fit_frac * len(ids)) if replace else max(1, round(fit_frac * len(ids)))
        ids = [ids[k] for k in np.random.default_rng(seed).choice(len(ids), size, replace=replace)]
    data = np.concatenate([embeddings[identifier] for identifier in ids]).astype(np.float64)
    if len(data) <= n_states * data.shape[1]:
        raise EthoMakeError(
            f"{len(data)} frames of {data.shape[1]} dimensions are too few for {n_states} motifs; use more recordings "
            "or fewer motifs."
        )
    lengths = [len(embeddings[identifier]) for identifier in ids]
    fits = [
        FastGaussianHMM(n_states, n_iter=n_iter, tol=1e-3, random_state=seed + k).fit(data, lengths)
        for k in range(restarts)
    ]
    model = max(fits, key=lambda fit: fit.monitor_.history[-1])
    states, total = {}, 0.0
    for identifier, array in embeddings.items():
        path, likelihood = model.explain(array.astype(np.float64))
        states[identifier] = path.astype(np.int16)
        total += likelihood
    n, dim = sum(len(array) for array in embeddings.values()), data.shape[1]
    free = n_states * (n_states - 1) + n_states - 1 + n_states * dim + n_states * dim * (dim + 1) // 2
    metrics = {"ll": total, "aic": 2 * free - 2 * total, "bic": free * float(np.log(n)) - 2 * total}
    return Scan(model, states, [float(value) for value in model.monitor_.history], metrics)


def save_hmm(path: Path, model: FastGaussianHMM) -> None:
    """Write a model as a plain npz of arrays (the original pickles it)."""
    arrays = {
        "startprob": model.startprob_,
        "transmat": model.transmat_,
        "means": model.means_,
        "covars": model.covars_,
    }
    with atomic_path(path) as part:
        np.savez(part, **arrays)


def load_hmm(path: Path) -> FastGaussianHMM:
    """Read a model written by :func:`save_hmm`.

    Raises
    ------
    InputError
        When the file is no such npz.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in FIELDS}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(path, f"is no saved motif model ({error})", "fit it again") from error
    model = FastGaussianHMM(len(arrays["startprob"]))
    model.startprob_, model.transmat_ = arrays["startprob"], arrays["transmat"]
    model.means_, model.covars_ = arrays["means"], arrays["covars"]
    model.n_features = arrays["means"].shape[1]  # hmmlearn sets it where it first sees data
    return model


def annotation_path(folder: Path, recording: str, n_states: int) -> Path:
    """Where the motifs of a recording stand."""
    return folder / slugify(recording) / f"machineAnnotation_hmm{n_states}.csv"


def scan_motifs(
    embeddings: Path,
    folder: Path,
    n_states: int,
    *,
    n_iter: int = 10,
    seed: int = 0,
    restarts: int = 1,
    fit_on: Sequence[str] | None = None,
    fit_frac: float | None = None,
    replace: bool = False,
    pretrained: Path | None = None,
) -> Scan:
    """Run one job of the motif scan: fit one number of states and write its files.

    Parameters
    ----------
    embeddings : Path
        `embeddings.h5` of a run.
    folder : Path
        Gets `model_hmm{K}.npz`, `history_hmm{K}.csv`, `metrics_hmm{K}.yaml` and, in one folder per recording,
        `machineAnnotation_hmm{K}.csv` (one-hot, ``Motif_0`` …).
    n_states : int
    n_iter, seed, restarts, fit_on, fit_frac, replace
        See :func:`fit_hmm`.
    pretrained : Path, optional
        A `model_hmm{K}.npz` used instead of a fit.
    """
    with open_embeddings(embeddings) as reader:
        arrays = {identifier: reader.read(identifier) for identifier in reader.ids}
    if pretrained is not None:
        model = load_hmm(pretrained)
        n_states = model.n_components
        found = {name: model.explain(array.astype(np.float64)) for name, array in arrays.items()}
        states = {name: path.astype(np.int16) for name, (path, _) in found.items()}
        total = sum(likelihood for _, likelihood in found.values())
        scan = Scan(model, states, [], {"ll": total})
    else:
        chosen = {"fit_on": fit_on, "fit_frac": fit_frac, "replace": replace}
        scan = fit_hmm(arrays, n_states, n_iter=n_iter, seed=seed, restarts=restarts, **chosen)  # type: ignore[arg-type]
    save_hmm(folder / f"model_hmm{n_states}.npz", scan.model)
    for identifier, path in scan.states.items():
        onehot = (path[:, None] == np.arange(n_states)).astype(np.int8)
        table = pd.DataFrame(onehot, columns=[f"Motif_{k}" for k in range(n_states)])
        write_csv(annotation_path(folder, identifier, n_states), table, index=True)
    write_csv(folder / f"history_hmm{n_states}.csv", pd.DataFrame({"History": scan.history}), index=True)
    text = "".join(f"{name}: {value!r}\n" for name, value in scan.metrics.items())
    write_text(folder / f"metrics_hmm{n_states}.yaml", text)
    log.info("%d motifs: %s", n_states, scan.metrics)
    return scan
