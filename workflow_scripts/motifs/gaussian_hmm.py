"""Gaussian hidden Markov models with full covariances, fitted as hmmlearn does and several times faster.

The sums of a step of EM are matrix products here, and the forward and backward passes multiply probabilities and do not
add logarithms. A density is divided by the largest of its frame before it is exponentiated, so that none becomes
zero for all states, whatever the number of dimensions; the logarithms of what was divided by are added again to the
log-likelihood. Where a state that fits a frame cannot be reached, a step is repeated with logarithms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hmmlearn import _hmmc
from hmmlearn.hmm import GaussianHMM
from scipy import linalg

from workflow_scripts.core.typing import Float64Array, Int64Array

LEAST_VARIANCE = 1e-7
"""Added to the diagonal of a covariance that has no Cholesky factor, as hmmlearn does."""

CHUNK = 8192
"""Frames whose densities are computed at a time, so that they stay in the cache."""


class FastGaussianHMM(GaussianHMM):  # type: ignore[misc]
    """`hmmlearn.hmm.GaussianHMM(covariance_type="full")` with other arithmetic for the same quantities."""

    def __init__(
        self,
        n_components: int = 1,
        *,
        n_iter: int = 10,
        tol: float = 1e-2,
        random_state: int | None = None,
        init_params: str = "stmc",
    ) -> None:
        super().__init__(
            n_components,
            covariance_type="full",
            n_iter=n_iter,
            tol=tol,
            random_state=random_state,
            init_params=init_params,
            implementation="log",
        )

    def _compute_log_likelihood(self, X: Float64Array) -> Float64Array:
        n_features = self.means_.shape[1]
        found = np.empty((len(X), self.n_components))
        for state, (mean, covariance) in enumerate(zip(self.means_, self._covars_, strict=True)):
            try:
                factor = linalg.cholesky(covariance, lower=True)
            except linalg.LinAlgError:
                try:
                    factor = linalg.cholesky(covariance + LEAST_VARIANCE * np.eye(n_features), lower=True)
                except linalg.LinAlgError as error:
                    raise ValueError("'covars' must be symmetric, positive-definite") from error
            whiten = linalg.solve_triangular(factor, np.eye(n_features), lower=True).T
            constant = n_features * np.log(2 * np.pi) + 2 * np.log(np.diagonal(factor)).sum()
            for start in range(0, len(X), CHUNK):
                part = slice(start, start + CHUNK)
                white = (X[part] - mean) @ whiten
                found[part, state] = -0.5 * (np.einsum("ij,ij->i", white, white) + constant)
        return found

    def explain(self, data: Float64Array) -> tuple[Int64Array, float]:
        """Return the likeliest path of states of one recording, and its log-likelihood over all paths."""
        densities = self._compute_log_likelihood(data)
        _, states = _hmmc.viterbi(self.startprob_, self.transmat_, densities)
        largest = densities.max(axis=1, keepdims=True)
        try:
            likelihood = _hmmc.forward_scaling(self.startprob_, self.transmat_, np.exp(densities - largest))[0]
        except ValueError:
            return states, float(_hmmc.forward_log(self.startprob_, self.transmat_, densities)[0])
        return states, float(likelihood + largest.sum())

    def _fit_log(self, X: Float64Array) -> tuple[Any, ...]:
        densities = self._compute_log_likelihood(X)
        largest = densities.max(axis=1, keepdims=True)
        probabilities = np.exp(densities - largest)
        try:
            likelihood, forward, scaling = _hmmc.forward_scaling(self.startprob_, self.transmat_, probabilities)
        except ValueError:
            return self._by_logarithms(densities)
        backward = _hmmc.backward_scaling(self.startprob_, self.transmat_, probabilities, scaling)
        posteriors = self._compute_posteriors_scaling(forward, backward)
        return probabilities, likelihood + float(largest.sum()), posteriors, forward, backward

    def _by_logarithms(self, densities: Float64Array) -> tuple[Any, ...]:
        """The same through logarithms; its lattices are negative, by which the sums know them."""
        likelihood, forward = _hmmc.forward_log(self.startprob_, self.transmat_, densities)
        backward = _hmmc.backward_log(self.startprob_, self.transmat_, densities)
        posteriors = self._compute_posteriors_log(forward, backward)
        return _Logarithms(densities), likelihood, posteriors, forward, backward

    def _accumulate_sufficient_statistics(
        self,
        stats: dict[str, Any],
        X: Float64Array,
        lattice: Any,
        posteriors: Float64Array,
        fwdlattice: Float64Array,
        bwdlattice: Float64Array,
    ) -> None:
        stats["nobs"] += 1
        stats["start"] += posteriors[0]
        if len(X) > 1:
            if isinstance(lattice, _Logarithms):
                sums = _hmmc.compute_log_xi_sum(fwdlattice, self.transmat_, bwdlattice, lattice.densities)
                stats["trans"] += np.exp(sums)
            else:
                stats["trans"] += _hmmc.compute_scaling_xi_sum(fwdlattice, self.transmat_, bwdlattice, lattice)
        stats["post"] += posteriors.sum(axis=0)
        stats["obs"] += posteriors.T @ X
        for start in range(0, len(X), CHUNK):
            rows = X[start : start + CHUNK]
            for state in range(self.n_components):
                stats["obs*obs.T"][state] += (rows * posteriors[start : start + CHUNK, state, None]).T @ rows


class _Logarithms:
    """Marks what the passes through logarithms return in place of probabilities."""

    def __init__(self, densities: Float64Array) -> None:
        self.densities = densities
