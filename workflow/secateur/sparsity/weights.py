"""The prunable weights of a network: the smallest are closed, the others shown by their form above a threshold.

Feather (Glentis Georgoulakis, Retsinas and Maragos, 2023): one threshold for all weights, and between the soft and the
hard threshold a form of the power `p`.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn

from secateur import Refused

POWER = 3
# nn.Module has no common class for these; transposed convolutions are among the first.
PRUNABLE = (nn.modules.conv._ConvNd, nn.Linear)


def prunable(model: nn.Module) -> dict[str, nn.Parameter]:
    """{name: weight} of every convolution and linear layer, depthwise ones and the head too; a shared one counts once.

    Biases and the parameters of other layers are not prunable. Raises Refused for a model without such a weight,
    for one that is computed from others, and for one that is frozen: what training leaves of it would not be what was
    shown.
    """
    layers = set()
    for name, module in model.named_modules():
        if isinstance(module, PRUNABLE):
            if "weight" not in module._parameters:
                raise Refused(
                    f"the weight of {name} is computed from others (weight_norm, parametrize); remove that first"
                )
            layers.add(id(module.weight))
    weights = {name: parameter for name, parameter in model.named_parameters() if id(parameter) in layers}
    if not weights:
        raise Refused("the network has no convolution and no linear layer, so that none of its weights can be pruned")
    frozen = [name for name, weight in weights.items() if not weight.requires_grad]
    if frozen:
        raise Refused(f"{frozen[0]} is frozen, but a sparse training trains all weights that it prunes; train them all")
    return weights


def zeros_at(sparsity: Fraction, count: int) -> int:
    """The count of zeros among `count` weights: floor((count - 1) sparsity) + 1, and none at 0.

    These are the weights up to the quantile of the magnitudes at this share.
    """
    return math.floor((count - 1) * sparsity) + 1 if sparsity else 0


def shaped(weight: Tensor, threshold: float, power: float = POWER) -> Tensor:
    """The form of a weight above a threshold: w (1 - (threshold / |w|)^p)^(1/p), and 0 at the threshold and below.

    p = 1 is the soft threshold; the larger p, the nearer to the hard one. This form, with a ratio, is exact where the
    difference of powers of the paper loses digits.
    """
    return shape_(weight.clone(), weight, threshold, power)


def shape_(shown: Tensor, weight: Tensor, threshold: float, power: float) -> Tensor:
    """Overwrite `shown`, a copy of a weight, with what it shows above a threshold; without temporary tensors."""
    if threshold == 0:
        return shown
    torch.div(torch.tensor(threshold, dtype=shown.dtype), shown.abs_(), out=shown)
    shown.pow_(power).neg_().add_(1).clamp_(min=0)
    if power != 1:
        shown.pow_(1 / power)
    return shown.mul_(weight)


class Weights:
    """The prunable weights of a network as one row, of which the smallest are closed.

    Beyond the weights there is one copy of them, which first holds their magnitudes, and a bit of a byte for each.
    Weights that are `dropped` are zero, and closed before all others.
    """

    def __init__(self, model: nn.Module, power: float = POWER) -> None:
        self.by_name, self.power = prunable(model), power
        self.tensors = list(self.by_name.values())
        self.sizes = [tensor.numel() for tensor in self.tensors]
        first = self.tensors[0]
        self.row = torch.empty(self.count, device=first.device, dtype=first.dtype)
        self.closed = torch.zeros(self.count, device=first.device, dtype=torch.bool)
        self.threshold, self.zeros = 0.0, 0

    @property
    def count(self) -> int:
        """The count of prunable weights."""
        return sum(self.sizes)

    def views(self, row: Tensor) -> Iterator[tuple[nn.Parameter, Tensor]]:
        """Each weight, and its part of a row in its shape."""
        for tensor, part in zip(self.tensors, row.split(self.sizes), strict=True):
            yield tensor, part.view(tensor.shape)

    @torch.no_grad()
    def close(self, zeros: int, dropped: Tensor | None = None) -> None:
        """Close the smallest `zeros` weights, of equal ones the first; of dropped ones, (count,) bool, all.

        Raises Refused for weights that are not finite.
        """
        if dropped is None:
            threshold = smallest(self.magnitudes, self.closed, zeros)
        else:
            threshold = self._close_beside(dropped, zeros)
        # The row has the magnitudes by which the weights were compared.
        if zeros and not math.isfinite(self.row.max().item()):
            raise Refused("a weight is NaN or infinite, so that no threshold of sparsity can be set; train more slowly")
        self.threshold, self.zeros = max(0.0, threshold), zeros

    def _close_beside(self, dropped, zeros):
        """Set dropped weights to zero and close them; then the smallest of the others, up to `zeros`.

        The others are a row of their own: among many equal values a partition takes fifteen times as long. Where none
        of them is closed, the threshold is right below the smallest: at zero, the open ones would be shown in another
        form than in a step that closes one more.
        """
        for tensor, part in self.views(dropped):
            tensor.masked_fill_(part, 0)
        others = places(~dropped)
        magnitudes, chosen = self.magnitudes().index_select(0, others), torch.zeros_like(others, dtype=torch.bool)
        left = zeros - (self.count - len(others))
        threshold = smallest(magnitudes.clone, chosen, left)
        self.closed.copy_(dropped)
        self.closed[others[places(chosen)]] = True
        if zeros and not left:
            threshold = _below(magnitudes.min())
        return threshold

    @torch.no_grad()
    def clear(self, ids: Tensor) -> None:
        """Set weights to zero, by their places in the row in ascending order."""
        ends = torch.tensor(self.sizes).cumsum(0)
        parts = ids.tensor_split(torch.searchsorted(ids.cpu(), ends[:-1]))
        for tensor, part, end in zip(self.tensors, parts, ends.tolist(), strict=True):
            tensor[torch.unravel_index(part - end + tensor.numel(), tensor.shape)] = 0

    def magnitudes(self) -> Tensor:
        """(count,) the magnitudes of all weights in the row, which other calls overwrite."""
        for tensor, part in self.views(self.row):
            torch.abs(tensor.detach(), out=part)
        return self.row

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Around forward and backward: closed weights are zero and the others shaped; afterwards all are as before."""
        if not self.zeros:
            yield
            return
        with torch.no_grad():
            for (tensor, saved), (_, closed) in zip(self.views(self.row), self.views(self.closed), strict=True):
                saved.copy_(tensor)
                shape_(tensor, saved, self.threshold, self.power)
                tensor.masked_fill_(closed, 0)
        try:
            yield
        finally:
            with torch.no_grad():
                for tensor, saved in self.views(self.row):
                    tensor.copy_(saved)

    @torch.no_grad()
    def scale_gradients(self, scale: float, dropped: Tensor | None = None) -> None:
        """Multiply the gradients of closed weights by `scale`, and those of dropped ones by zero."""
        factors = self.row.fill_(1).masked_fill_(self.closed, scale)
        if dropped is not None:
            factors.masked_fill_(dropped, 0)
        elif scale == 1:
            return
        for tensor, part in self.views(factors):
            if tensor.grad is not None:
                tensor.grad.mul_(part)


def places(mask: Tensor) -> Tensor:
    """The places at which a mask, (n,) bool, is true, in ascending order."""
    if mask.device.type == "cpu":
        # In a third of the time of torch's.
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return mask.nonzero().flatten()


def smallest(values: Callable[[], Tensor], chosen: Tensor, count: int) -> float:
    """Set `chosen`, (n,) bool, at the `count` smallest of some values, of equal ones the first; 0 choose none.

    `values` makes them, (n,), as often as it is called: they are put out of order, which takes a sixtieth of the time
    of a sort and no copy. Returns the largest of the chosen values, or the next float below it where values equal to
    it are not chosen: what is not chosen lies above.
    """
    if count == 0:
        chosen.zero_()
        return 0.0
    threshold = _kth_smallest(values(), count)
    again = values()
    torch.le(again, threshold, out=chosen)
    # A sum of bools would first make a copy of eight bytes for each.
    surplus = int(chosen.count_nonzero()) - count
    if not surplus:
        return threshold.item()
    equal = places(again == threshold)
    chosen[equal[len(equal) - surplus :]] = False
    return _below(threshold)


def _below(value):
    """The next float below a value, a tensor without dimensions."""
    return torch.nextafter(value, torch.full_like(value, -math.inf)).item()


def _kth_smallest(values, place):
    """The value at a place, from 1, of a row in ascending order, as a tensor without dimensions."""
    if values.device.type == "cpu":
        row = values.numpy()
        row.partition(place - 1)
        return torch.tensor(row[place - 1])
    return values.kthvalue(place).values
