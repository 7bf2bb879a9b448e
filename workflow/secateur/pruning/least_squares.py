"""Ridge regression towards known weights, from sums over blocks of rows; solved in float64.

The ridge pulls to the weights that were there, not to zero (G + l I) B = H + l P, and l is a share of the mean diagonal
of G. Inputs and targets are centred, so that the constant is free of it.

Products of a block are computed in the precision of its rows, float32 at least, once the means of the first block are
off: what is far from zero and varies little would lose its digits. Blocks are added up in float64.
"""

from typing import cast

import torch
from torch import Tensor


class Regression:
    """Sums of a regression of targets (n, o) on inputs (n, d).

    With at least d rows these are the Gram matrices, (d, d) and (d, o); with fewer, the rows themselves, which are
    then the smaller system.
    """

    def __init__(self, inputs: int, targets: int, rows: int) -> None:
        self.inputs, self.targets, self.few = inputs, targets, rows < inputs
        self.rows = 0
        self.shifts: tuple[Tensor, Tensor] | None = None
        self.sum_inputs = torch.zeros(inputs, dtype=torch.float64)
        self.sum_targets = torch.zeros(targets, dtype=torch.float64)
        self.kept: list[tuple[Tensor, Tensor]] = []
        if not self.few:
            self.gram = torch.zeros(inputs, inputs, dtype=torch.float64)
            self.cross = torch.zeros(inputs, targets, dtype=torch.float64)

    def add(self, inputs: Tensor, targets: Tensor) -> None:
        """Add a block of a few thousand rows: inputs (n, d) and targets (n, o)."""
        if not len(inputs):
            return
        inputs, targets = _single(inputs), _single(targets)
        if self.shifts is None:
            self.shifts = _mean(inputs), _mean(targets)
        inputs, targets = inputs - self.shifts[0], targets - self.shifts[1]
        self.rows += len(inputs)
        self.sum_inputs += inputs.sum(0, dtype=torch.float64).cpu()
        self.sum_targets += targets.sum(0, dtype=torch.float64).cpu()
        if self.few:
            self.kept.append((inputs.double().cpu(), targets.double().cpu()))
            return
        self.gram += (inputs.T @ inputs).double().cpu()
        self.cross += (inputs.T @ targets).double().cpu()

    def solved(self, prior: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
        """(weights (d, o), constants (o,)) in float64; `prior` (d, o) are the weights that the ridge pulls to.

        Without a ridge the solution is that nearest to the prior of all that fit best.
        """
        prior = prior.double().cpu()
        mean_inputs, mean_targets = self.sum_inputs / self.rows, self.sum_targets / self.rows
        if self.few:
            weights = self._by_rows(prior, ridge, mean_inputs, mean_targets)
        else:
            gram = self.gram - self.rows * torch.outer(mean_inputs, mean_inputs)
            residual = self.cross - self.rows * torch.outer(mean_inputs, mean_targets) - gram @ prior
            weights = prior + _solved(gram, residual, ridge * float(gram.diagonal().mean()))
        first_inputs, first_targets = (shift.double().cpu() for shift in cast(tuple[Tensor, Tensor], self.shifts))
        return weights, first_targets + mean_targets - (first_inputs + mean_inputs) @ weights

    def _by_rows(self, prior, ridge, mean_inputs, mean_targets):
        inputs = torch.cat([part for part, _ in self.kept]) - mean_inputs
        targets = torch.cat([part for _, part in self.kept]) - mean_targets
        strength = ridge * float(inputs.square().sum()) / self.inputs
        return prior + inputs.T @ _solved(inputs @ inputs.T, targets - inputs @ prior, strength)


def _single(rows):
    """Rows in float32 at least."""
    return rows if rows.dtype == torch.float64 else rows.float()


def _mean(rows):
    return rows.mean(0, dtype=torch.float64).to(rows)


class Scaling:
    """Sums of regressions of every target on one input of its own, (n, o) both: a factor and a constant for each."""

    def __init__(self, targets: int) -> None:
        self.rows = 0
        self.sums = torch.zeros(4, targets, dtype=torch.float64)

    def add(self, inputs: Tensor, targets: Tensor) -> None:
        """Add a block of rows."""
        inputs, targets = inputs.double().cpu(), targets.double().cpu()
        self.rows += len(inputs)
        self.sums += torch.stack([inputs, targets, inputs * inputs, inputs * targets]).sum(1)

    def solved(self, ridge: float) -> tuple[Tensor, Tensor]:
        """(factors (o,), constants (o,)); the ridge, a share of the mean variance of inputs, pulls factors to one."""
        means, targets, squares, products = self.sums / self.rows
        variance = (squares - means.square()).clamp(min=0)
        covariance = products - means * targets
        strength = ridge * variance.mean()
        # What is constant keeps its factor; float64 leaves rounding noise of its squares.
        flat = variance + strength <= 1e-12 * squares
        factors = torch.where(flat, 1.0, (covariance + strength) / (variance + strength))
        return factors, targets - factors * means


def _solved(gram, residual, strength):
    """The solution of (gram + strength I) x = residual for a symmetric matrix that is not negative."""
    if not strength > 0:
        return torch.linalg.pinv(gram, hermitian=True, rtol=1e-12) @ residual
    matrix = gram.clone()
    matrix.diagonal().add_(strength)
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed.item():
        return torch.linalg.lstsq(matrix, residual, driver="gelsd").solution
    return torch.cholesky_solve(residual, factor)
