"""The operations of a graph by kind: modules, functions and methods that are elementwise, spatial, joining etc."""

import operator

import torch
from torch import nn
from torch.nn import functional as F

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.InstanceNorm2d)
ELEMENTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(nn.Hardswish, nn.Hardtanh, nn.Hardsigmoid, nn.Sigmoid, nn.LogSigmoid, nn.Tanh, nn.Softsign, nn.Threshold),
    *(nn.Hardshrink, nn.Softshrink, nn.Tanhshrink, nn.Identity),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout),
)
ELEMENTWISE_CALLS = {
    *(F.relu, torch.relu, F.relu_, torch.relu_, F.relu6, F.leaky_relu, F.elu, F.selu, F.celu, F.gelu, F.silu, F.mish),
    *(F.softplus, F.hardswish, F.hardtanh, F.hardsigmoid, F.sigmoid, torch.sigmoid, F.logsigmoid, F.tanh, torch.tanh),
    *(F.dropout, F.dropout2d, F.alpha_dropout, torch.clamp, torch.abs, torch.neg, operator.neg, torch.square),
    *(torch.sqrt, torch.rsqrt, torch.exp, torch.zeros_like, torch.ones_like),
    *("relu", "relu_", "sigmoid", "sigmoid_", "tanh", "clamp", "clamp_", "clip", "abs", "neg", "square", "sqrt"),
    *("rsqrt", "exp", "hardtanh"),
}
# What moves or copies values; of a device, the shapes tell nothing.
MOVED_CALLS = {
    *(torch.clone, "contiguous", "clone", "detach", "float", "double", "half", "bfloat16", "to", "type", "cpu"),
    "requires_grad_",
}
SOFTMAX = (nn.Softmax, nn.LogSoftmax)
SOFTMAX_CALLS = {F.softmax, F.log_softmax, torch.softmax, torch.log_softmax, "softmax", "log_softmax"}
SPATIAL = (
    *(nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Upsample),
    *(nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d),
)
SPATIAL_CALLS = {
    *(F.max_pool2d, torch.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.interpolate),
    F.lp_pool2d,
}
REDUCED_CALLS = {torch.mean, torch.sum, torch.amax, torch.amin, "mean", "sum", "amax", "amin"}
ADDED = {operator.add, operator.iadd, torch.add, operator.sub, operator.isub, torch.sub, "add", "add_", "sub", "sub_"}
MULTIPLIED = {operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_", "multiply"}
DIVIDED = {operator.truediv, operator.itruediv, torch.div, torch.true_divide, "div", "div_"}
JOINED = ADDED | MULTIPLIED | DIVIDED | {torch.maximum, torch.minimum, "maximum", "minimum"}
REARRANGED = (nn.Flatten, nn.Unflatten)
REARRANGED_CALLS = {
    *(torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.squeeze, torch.unsqueeze, torch.stack),
    *(torch.chunk, torch.split, torch.swapaxes, torch.movedim),
    *("flatten", "view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "chunk", "split", "unflatten"),
    *("expand", "expand_as", "repeat", "swapaxes", "movedim", "view_as", "reshape_as"),
}
SHUFFLED = (nn.ChannelShuffle,)
CONCATENATED = {torch.cat, torch.concat, torch.concatenate}
ZEROS = {"new_zeros"}
# What subclasses of torch's layers call with their own weights.
CONVOLVED, TRANSFORMED, NORMALISED = {F.conv2d}, {F.linear}, {F.batch_norm}
# What these compute fits, however many channels there are.
ALWAYS_FIT = {
    *(torch.flatten, torch.permute, torch.transpose, torch.unsqueeze, torch.swapaxes, torch.movedim, torch.stack),
    *("flatten", "permute", "transpose", "unsqueeze", "swapaxes", "movedim"),
}
