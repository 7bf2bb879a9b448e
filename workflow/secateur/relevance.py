"""Layer-wise relevance propagation (LRP): how much each channel contributed to one class, image by image.

Bach et al., PLoS ONE 10(7), 2015, equations 56 to 60. Relevance starts as 1 at one class and runs from layer to
layer back to the first convolution. Every rule shares a unit's relevance R among its inputs in proportion to
their contributions z = w x; alpha-beta treats positive and negative contributions apart:

    R_in = alpha * x W+ (R / Z+)  -  beta * x W- (R / Z-)        for inputs x >= 0

and a denominator of zero passes nothing on.
"""

import torch
from torch import nn
from torch.nn import functional as F

from secateur import folding, graph

PASSING = (nn.Dropout, nn.Dropout2d, nn.Identity)
AVERAGING = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
EPSILON = 1e-6


def propagate(model, images, rule="alpha2beta1", target=None, at="output", dtype=None, bias=False, pool="proportional"):
    """Relevance of every Conv2d of a model: {layer: tensor (N, C, H, W)}.

    `images` is (N, C, H, W), normalised as the model expects. `target` is a class for each image, (N,), or None
    for the predicted one. `at="output"` reads at the convolution's own output, before BatchNorm's activation and
    pool; `"next_input"` as the next layer sees it (behind a flatten summed to (N, C, 1, 1)). `bias` counts biases
    in the denominators; `pool` is `"proportional"` (conserving) or `"gradient"`. BatchNorm is folded first.
    Raises ValueError that names a layer without a rule.
    """
    return Propagator(model, rule=rule, at=at, dtype=dtype, bias=bias, pool=pool)(images, target)[0]


class Propagator:
    """A model made ready for many batches: traced and folded once, its weights split once."""

    def __init__(self, model, rule="alpha2beta1", at="output", dtype=None, bias=False, pool="proportional"):
        for name, value, allowed in (
            ("rule", rule, RULES),
            ("at", at, PLACES),
            ("pool", pool, ("proportional", "gradient")),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        self.model = folding.folded(model)
        if dtype is not None:
            self.model = self.model.to(dtype)
        self.dtype, self.at, self.pool = dtype, at, pool
        self.nodes = list(graph.traced(self.model).graph.nodes)
        self.modules = dict(self.model.named_modules())
        self.links = graph.links(self.model)
        self.first = next(node for node in self.nodes if isinstance(self._module(node), nn.Conv2d))
        self.rules = {
            name: RULES[rule](_Linear(module), bias)
            for name, module in self.modules.items()
            if isinstance(module, (nn.Conv2d, nn.Linear))
        }

    @torch.no_grad()
    def __call__(self, images, target=None):
        """({layer: (N, C, H, W)}, the class explained (N,)) for one batch."""
        values = self._forward(images if self.dtype is None else images.to(self.dtype))
        logits = values[self.nodes[-1]]
        target = logits.argmax(1) if target is None else target.to(logits.device)
        seed = torch.zeros_like(logits).scatter_(1, target[:, None], 1.0)
        outputs, inputs = self._backward(values, seed)
        return PLACES[self.at](self.links, self.modules, outputs, inputs), target

    def _module(self, node):
        return self.modules[node.target] if node.op == "call_module" else None

    def _forward(self, images):
        """The value of every node of the graph."""
        values = {}
        for node in self.nodes:
            inputs = [values[argument] for argument in node.all_input_nodes]
            if node.op == "placeholder":
                values[node] = images
            elif node.op == "output":
                values[node] = inputs[0]
            else:
                values[node] = self._kind(node)[0](self, node, inputs[0])
        return values

    def _backward(self, values, seed):
        """Relevance at the output and at the input of every convolution and linear layer."""
        arriving, outputs, inputs = {self.nodes[-1]: seed}, {}, {}
        for node in reversed(self.nodes):
            R = arriving.pop(node, None)
            if R is None or node.op == "placeholder":
                continue
            if node is not self.nodes[-1]:
                layer = node.target if node.target in self.rules else None
                if layer:
                    outputs[layer] = R
                if node is self.first:
                    break
                R = self._kind(node)[1](self, node, values[node.all_input_nodes[0]], values[node], R)
                if layer:
                    inputs[layer] = R
            (source,) = node.all_input_nodes
            arriving[source] = arriving[source] + R if source in arriving else R
        return outputs, inputs

    def _kind(self, node):
        """(forward, backward) of a node."""
        module = self._module(node)
        for kinds, functions in KINDS.items():
            if module is not None and isinstance(module, kinds):
                return functions
        if node.op == "call_function" and len(node.all_input_nodes) == 1:
            if graph.is_flatten(node, module):
                return KINDS[nn.Flatten,]
            if node.target in graph.CHANNELWISE_FUNCTIONS:
                return KINDS[nn.ReLU,]
        what = type(module).__name__ if module is not None else node.target
        raise ValueError(f"no relevance rule for the layer {node.target} ({what}); known: {', '.join(known_layers())}")


def known_layers():
    """Names of the layers that relevance can pass."""
    return [kind.__name__ for kinds in KINDS for kind in kinds]


# ---- linear layers: R_in from x and R ------------------------------------------------------------------------


class _Linear:
    """The linear map of a Conv2d or Linear for any weights, and its transpose."""

    def __init__(self, module):
        self.weight, self.bias = module.weight.detach(), module.bias
        self.module = module
        if isinstance(module, nn.Conv2d) and (module.padding_mode != "zeros" or isinstance(module.padding, str)):
            how = f"padding {module.padding!r}, mode {module.padding_mode!r}"
            raise ValueError(f"no relevance rule for a convolution with {how}")

    def forward(self, x, weight):
        if isinstance(self.module, nn.Linear):
            return F.linear(x, weight)
        return F.conv2d(
            x, weight, None, self.module.stride, self.module.padding, self.module.dilation, self.module.groups
        )

    def transposed(self, R, weight, x):
        if isinstance(self.module, nn.Linear):
            return R @ weight
        m = self.module
        return nn.grad.conv2d_input(x.shape, weight, R, m.stride, m.padding, m.dilation, m.groups)

    def shaped(self, bias):
        """A bias so that it adds to the layer's output."""
        return bias if isinstance(self.module, nn.Linear) else bias[:, None, None]


def _alpha_beta(alpha, beta):
    """The alpha-beta rule for one layer; signed inputs take four products, inputs >= 0 two."""

    def of_layer(linear, bias):
        positive, negative = linear.weight.clamp(min=0), linear.weight.clamp(max=0)
        extra = [linear.shaped(part) if bias and linear.bias is not None else 0.0 for part in _split(linear.bias)]

        def shared(x, R, weight, other, extra):
            """What the contributions of one sign pass on: x+ meets `weight`, x- meets `other`."""
            signed = bool((x < 0).any())
            above, below = (x.clamp(min=0), x.clamp(max=0)) if signed else (x, None)
            Z = linear.forward(above, weight) + (linear.forward(below, other) if signed else 0) + extra
            ratio = _divided(R, Z)
            passed = above * linear.transposed(ratio, weight, x)
            return passed + below * linear.transposed(ratio, other, x) if signed else passed

        def rule(x, z, R):
            passed = alpha * shared(x, R, positive, negative, extra[0])
            return passed - beta * shared(x, R, negative, positive, extra[1]) if beta else passed

        return rule

    return of_layer


def _epsilon(linear, bias):
    """R_in = x W [R / (z + epsilon sign(z))]."""

    def rule(x, z, R):
        if not bias and linear.bias is not None:
            z = z - linear.shaped(linear.bias.detach())
        z = z + EPSILON * torch.where(z < 0, -1.0, 1.0).to(z.dtype)
        return x * linear.transposed(R / z, linear.weight, x)

    return rule


def _split(bias):
    return (None, None) if bias is None else (bias.detach().clamp(min=0), bias.detach().clamp(max=0))


def _divided(R, Z):
    """R / Z, and zero where Z is zero: a unit without contributions of this sign passes nothing on."""
    return torch.where(Z == 0, torch.zeros_like(R), R / torch.where(Z == 0, torch.ones_like(Z), Z))


RULES = {
    "alpha2beta1": _alpha_beta(2, 1),
    "alpha1beta0": _alpha_beta(1, 0),
    "epsilon": _epsilon,
}


# ---- the other layers ----------------------------------------------------------------------------------------


def _run(propagator, node, x):
    return propagator._module(node)(x) if node.op == "call_module" else node.target(x, *node.args[1:], **node.kwargs)


def _run_apart(propagator, node, x):
    """In-place activations would overwrite the value of the node before."""
    return F.relu(x)


def _linear_backward(propagator, node, x, z, R):
    return propagator.rules[node.target](x, z, R)


def _relu_backward(propagator, node, x, y, R):
    return R * (x > 0) if propagator.pool == "gradient" else R


def _passed(propagator, node, x, y, R):
    return R


def _reshaped(propagator, node, x, y, R):
    return R.reshape(x.shape)


def _gradient(propagator, node, x, R):
    """The layer's plain gradient; for a max pool the winner (the first on ties) takes all."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        return torch.autograd.grad(_run(propagator, node, leaf), leaf, R)[0]


def _max_pool_backward(propagator, node, x, y, R):
    return _gradient(propagator, node, x, R)


def _average_backward(propagator, node, x, y, R):
    if propagator.pool == "gradient":
        return _gradient(propagator, node, x, R)
    return x * _gradient(propagator, node, x, _divided(R, y))


KINDS = {
    (nn.Conv2d, nn.Linear): (_run, _linear_backward),
    (nn.ReLU,): (_run_apart, _relu_backward),
    PASSING: (_run, _passed),
    (nn.MaxPool2d,): (_run, _max_pool_backward),
    AVERAGING: (_run, _average_backward),
    (nn.Flatten,): (_run, _reshaped),
}


# ---- where relevance is read ---------------------------------------------------------------------------------


def _at_output(links, modules, outputs, inputs):
    return {link.layer: outputs[link.layer] for link in links}


def _at_next_input(links, modules, outputs, inputs):
    """The reader's input; the copies of a channel behind a flatten are summed, as relevance adds up."""
    found = {}
    for link in links:
        R = inputs[link.reader]
        channels = modules[link.layer].out_channels
        found[link.layer] = R.reshape(len(R), channels, -1).sum(-1)[..., None, None] if R.dim() == 2 else R
    return found


PLACES = {"output": _at_output, "next_input": _at_next_input}
