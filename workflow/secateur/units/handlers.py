"""Kinds of operations, each with the function that follows channels through it.

keeping      activations, BatchNorm, pools, means over space: the ids stay
joining      additions, products and the like: channels that meet are tied
rearranging  flatten, view, permute, slices, splits, concatenation: the operation itself, done on the ids
layers       convolutions and linear layers: new ids; grouped ones tie what must be removed together

Every function takes the Walk, which keeps the books, the node, and its arguments with Values for tensors.
"""

from torch import nn

from secateur.graph import operation_kinds as kinds
from secateur.units import joining, keeping, layers, rearranging

# A kind of operations, and its function; the first that has an operation counts.
OF_KINDS = (
    (kinds.CONVOLVED, layers.convolution),
    (kinds.TRANSFORMED, layers.linear),
    (kinds.NORMS, keeping.norm),
    (kinds.kind((nn.PReLU,)), keeping.prelu),
    (kinds.JOINED, joining.joined),
    (kinds.CONCATENATED, rearranging.concatenated),
    (kinds.SHUFFLED, rearranging.shuffled),
    (kinds.PADDED_ANYWHERE, rearranging.padded),
    (kinds.INDEXED, rearranging.sliced),
    (kinds.REARRANGED, rearranging.rearranged),
    (kinds.ELEMENTWISE | kinds.MOVED, keeping.elementwise),
    (kinds.SOFTMAX, keeping.softmax),
    (kinds.SPATIAL, keeping.spatial),
    (kinds.REDUCED, keeping.reduced),
    (kinds.ZEROS, rearranging.zeros),
)
