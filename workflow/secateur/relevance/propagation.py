"""Layer-wise relevance propagation (LRP): each channel's contribution to one class, image by image.

Bach et al., PLoS ONE 10(7), 2015. Relevance starts as 1 at one class and runs back through the graph that torch.fx
traces: convolutions and linear layers by a rule of `rules.py`, everything else as `unweighted_layers.py` says.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import fx, nn

from secateur import Refused
from secateur.graph import folding, functional, modes, readers, tracing
from secateur.relevance import gating, layer_rules, linear_maps, places, refusals, rules, traced, unweighted_layers
from secateur.study import biases

# ({layer: relevance (N, C, H, W)}, the class explained (N,), the relevance put on it (N,))
Explained = tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


def propagate(
    model: nn.Module,
    images: torch.Tensor,
    rule: str | dict[float, str] = "alpha2beta1",
    target: int | Sequence[int] | torch.Tensor | Literal["all"] | None = None,
    at: str = "output",
    dtype: torch.dtype | None = None,
    bias: bool | None = None,
    pool: str = "proportional",
    start: str = "one",
    pixels: bool = False,
    linear: Iterable[str] = (),
) -> dict[str, torch.Tensor]:
    """Relevance of every Conv2d of a model: {layer: tensor (N, C, H, W)}.

    `images` is (N, C, H, W), normalised as the model expects; the model is in eval mode. `rule` is a name
    (`alpha2beta1`, `zplus`, `epsilon=0.1`, `gamma=0.25`, `gradient`, ...), a composite (`epsilon_plus_flat`, ...), or
    bands of depth, {share: rule}: {0.3: "alpha2beta1", 1: "epsilon"} is alpha-beta for the first 30 % of the layers.
    `gradient_x_input` multiplies the gradient by the value where it is read. `target` is a class for each image, (N,),
    a single class, None for the predicted one, or "all": then every tensor is (classes, N, C, H, W). `at="output"`
    reads at the convolution's own output, before BatchNorm's activation and pool; `"next_input"` as the next layer
    sees it (behind a flatten summed to (N, C, 1, 1)). `bias` counts biases in the denominators; None follows the
    rule (true for epsilon and gamma, whose relevance explodes without). `pool` is `"proportional"` (conserving) or
    `"gradient"`; relevance starts with `"one"` or with the `"logit"`, in front of a softmax if the model ends in one.
    `pixels` adds the relevance of the images under the name "". `linear` names linear layers that are read too, each
    feature as a channel with one position (N, F, 1, 1), or with as many as the layer is applied to. Layers whose output
    only gates other channels (squeeze-and-excitation) have no relevance by any rule but the gradients, and are left
    out. Raises Refused that names a layer without a rule.
    """
    choices = {"at": at, "dtype": dtype, "bias": bias, "pool": pool, "start": start, "pixels": pixels, "linear": linear}
    propagator = Propagator(model, rule, **choices)
    if isinstance(target, str) and target == "all":
        return _stacked(propagator.each_class(images))
    return propagator(images, target)[0]


def _stacked(each):
    """{layer: (classes, N, C, H, W)}."""
    of_classes = [relevance for relevance, _, _ in each]
    stacked = {}
    for layer in of_classes[0]:
        stacked[layer] = torch.stack([relevance[layer] for relevance in of_classes])
    return stacked


@dataclasses.dataclass(frozen=True, eq=False)
class Backward:
    """Relevance of one batch for one class of each image."""

    outputs: dict[fx.Node, torch.Tensor] = dataclasses.field(default_factory=dict)  # {layer: that of its output}
    inputs: dict[fx.Node, torch.Tensor] = dataclasses.field(default_factory=dict)  # {layer: that of its input}
    images: dict[fx.Node, torch.Tensor] = dataclasses.field(default_factory=dict)  # {placeholder: that of the images}


class Propagator:
    """A model made ready for many batches: traced and folded once, its weights split once."""

    def __init__(
        self,
        model: nn.Module,
        rule: str | dict[float, str] = "alpha2beta1",
        at: str = "output",
        dtype: torch.dtype | None = None,
        bias: bool | None = None,
        pool: str = "proportional",
        start: str = "one",
        pixels: bool = False,
        linear: Iterable[str] = (),
    ) -> None:
        refusals.unknown("at", at, places.PLACES)
        refusals.unknown("pool", pool, unweighted_layers.POOLS)
        refusals.unknown("start", start, ("one", "logit"))
        refusals.unusable(model)
        self.model = traced.without_inplace(folding.folded(functional.as_layers(model), strict=False))
        self.layout = torch.contiguous_format
        if dtype is not None:
            # Convolutions in bfloat16 want their channels last; in float32 that is slower.
            if dtype == torch.bfloat16:
                self.layout = torch.channels_last
            self.model = self.model.to(dtype).to(memory_format=self.layout)
        self.at, self.start, self.pixels = at, start, pixels
        self.bias = biases.bias_of(rule) if bias is None else bias
        self.times_input = rule == "gradient_x_input"
        if rule in layer_rules.GRADIENTS:
            rule, pool = "gradient", "plain"
        self.graph = traced.Graph(self.model, pool, self.bias)
        self.layers = [node.target for node in filter(self.graph.is_linear, self.graph.nodes)]
        self.rule_of = layer_rules.assigned(rule, self.layers, self.graph.modules)
        self.read = self._read_layers({*linear})
        self.links = []
        if at == "next_input":
            self.links = readers.links(self.graph.nodes, self.graph.modules, self.read)
        # Dominators of the output carry all relevance.
        self.whole = [node.target for node in self.graph.crossed() if node.target in self.read]
        explained = self.graph.before(self.graph.logits)
        self.explained = {str(node.target) for node in filter(self.graph.is_linear, explained)}
        # The model as it was given, until the first batch has shown that the graph computes the same.
        self.unchecked = model
        self.prepared = {}

    def _read_layers(self, linear):
        """The layers whose relevance is read: convolutions, and those of the linear layers that are named."""
        layers = []
        for layer in self.layers:
            if isinstance(self.graph.modules[layer], nn.Conv2d) or layer in linear:
                layers.append(layer)
        return layers

    def __call__(self, images: torch.Tensor, target: int | Sequence[int] | torch.Tensor | None = None) -> Explained:
        """({layer: (N, C, H, W)}, the class explained (N,), the relevance put on it (N,)) for one batch."""
        with torch.no_grad():
            forward, logits = self._with_logits(images)
            chosen = _chosen(target, logits)
            return self._relevance(forward, logits, chosen), chosen, self._start(logits, chosen)

    def each_class(self, images: torch.Tensor) -> Iterator[Explained]:
        """Relevance of one class after the other, from one forward pass: no more than one class is in memory."""
        with torch.no_grad():
            forward, logits = self._with_logits(images)
        return self._each(forward, logits)

    def _with_logits(self, images):
        """(forward pass, logits (N, classes)) of a batch."""
        refusals.unreadable(images)
        forward = self.forward(images)
        self._refuse_another(images, forward)
        logits = forward.values[self.graph.logits]
        if not isinstance(logits, torch.Tensor) or logits.dim() != 2:
            raise Refused("the model must give one tensor of logits (N, classes); wrap it in a module that does")
        return forward, logits

    def _each(self, forward, logits):
        for index in range(logits.shape[1]):
            with torch.no_grad():
                chosen = torch.full_like(logits[:, 0], index, dtype=torch.long)
                relevance = self._relevance(forward, logits, chosen, again=True)
                start = self._start(logits, chosen)
            yield relevance, chosen, start

    def _refuse_another(self, images, forward):
        """Once: the graph computes what the model does. An operation in place may change a value that is read again."""
        if self.unchecked is None:
            return
        model, self.unchecked = self.unchecked, None
        with modes.evaluating(model):
            wanted = model(images.to(next(model.parameters()), copy=True))
        tracing.refuse_another(forward.values[self.graph.nodes[-1].args[0]], wanted, tracing.in_place(self.graph.nodes))

    # ---- forward

    def forward(self, images: torch.Tensor) -> traced.Forward:
        """The forward pass of a batch (N, C, H, W); Refused that names the layer that cannot take such images."""
        images = images.to(next(self.model.parameters()).dtype).contiguous(memory_format=self.layout)
        forward = traced.Forward()
        for node in self.graph.nodes:
            if node.op == "placeholder":
                forward.values[node] = images if node is self.graph.nodes[0] else _default(node)
                continue
            try:
                self._compute(node, forward)
            except torch.OutOfMemoryError:
                raise
            # torch's error on shapes that do not fit names no layer.
            except RuntimeError as error:
                raise Refused(
                    f"the layer {node.target} cannot take images of shape {tuple(images.shape[1:])}: {error}; "
                    "are these the images that the model was trained on?"
                ) from error
        return forward

    def _compute(self, node, forward):
        """Put a node's value into the pass; of a linear layer also what its rule keeps."""
        if not self.graph.is_linear(node):
            self.graph.compute(node, forward)
            return
        x = forward.values[node.all_input_nodes[0]]
        rows = self._rows(node, x)
        value, forward.kept[node] = self._prepared(node, rows, forward)[0](rows)
        if rows is not x:
            value = value.view(*x.shape[:-1], -1)
        forward.values[node] = value

    def _rows(self, node, values):
        """Input or output of a layer; of a linear layer at several positions each is a row: (N x positions, F)."""
        if isinstance(self.graph.module(node), nn.Linear) and values.dim() > 2:
            return values.reshape(-1, values.shape[-1])
        return values

    def _prepared(self, node, x, forward) -> tuple[Callable, Callable]:
        """(forward, backward) of a linear layer, made when it first meets an input of this size."""
        copies = forward.copies.get(node, 1)
        key = node, copies, tuple(x.shape[2:])
        if key not in self.prepared:
            layer = self.graph.linear(node)
            refusals.other_size(node, layer, x, copies)
            signed = not self.graph.signs.never_negative(node.all_input_nodes[0])
            linear = linear_maps.Map(layer, copies, x.shape[2:])
            self.prepared[key] = self._rule(node)(linear, self.bias, signed)
        return self.prepared[key]

    def _rule(self, node):
        # The input of the first layer is the images, whose relevance is rarely wanted.
        if self._ends_at(node):
            return rules.forward_only()
        return rules.named(self.rule_of[node.target])

    def _ends_at(self, node):
        """True if relevance ends at a layer's output: it reads the images, whose relevance is not wanted."""
        return not self.pixels and self.graph.reads_images(node)

    # ---- backward

    def _start(self, logits, target):
        """The relevance that is put on the class of each image, (N,)."""
        logit = logits.gather(1, target[:, None])[:, 0]
        return torch.ones_like(logit) if self.start == "one" else logit

    def _relevance(self, forward, logits, target, again=False):
        """{layer: relevance} where it is read, for one class of each image; that of the images under the name ""."""
        start = self._start(logits, target)
        seed = torch.zeros_like(logits).scatter_(1, target[:, None], start[:, None])
        backward = self.backward(forward, seed, again)
        relevance = places.PLACES[self.at](self, forward, backward)
        if self.pixels:
            relevance[""] = backward.images[self.graph.nodes[0]]
        return relevance

    def backward(self, forward: traced.Forward, seed: torch.Tensor, again: bool = False) -> Backward:
        """Relevance at both ends of every layer, from that of the logits, `seed` (N, classes).

        `again` if the forward pass is needed once more, for another class: what it keeps is overwritten otherwise.
        """
        backward = Backward()
        arriving: dict[fx.Node, unweighted_layers.Relevance] = {self.graph.logits: seed}
        for node in reversed(self.graph.nodes):
            if node in arriving:
                parts = self._passed(node, forward, arriving.pop(node), backward, again)
                unweighted_layers.add(arriving, parts)
        return backward

    def _passed(self, node, forward, R, backward, again) -> Mapping[fx.Node, unweighted_layers.Relevance]:
        """{input node: its relevance} of one node; that of layers and images is kept in `backward`."""
        if node.op == "placeholder":
            if self.times_input:
                R = R * forward.values[node]
            backward.images[node] = R
            return {}
        if not self.graph.is_linear(node):
            return unweighted_layers.passed(self.graph, node, forward, R)
        backward.outputs[node] = R
        if self._ends_at(node):
            return {}
        source = node.all_input_nodes[0]
        backward.inputs[node] = self._through(node, forward, R, again).view(forward.values[source].shape)
        return {source: backward.inputs[node]}

    def _through(self, node, forward, R, again):
        """Relevance of a layer's input, in rows, from that of its output."""
        x = self._rows(node, forward.values[node.all_input_nodes[0]])
        kept = forward.kept[node]
        if again and kept is not None:
            kept = kept.clone()
        pull = self._prepared(node, x, forward)[1]
        return pull(kept, x, self._rows(node, forward.values[node]), self._rows(node, R))

    def unreached(self, backward: Backward) -> set[str]:
        """The layers that the classes depend on and that relevance does not reach: of them nothing is known."""
        reached = {node.target for node in backward.outputs}
        return self.explained.intersection(self.read) - reached

    # ---- channels without relevance

    def layers_without(self, shape: Sequence[int]) -> dict[str, list[int]]:
        """{layer: [channel, ...]} of all channels that only gate others, so that they have no relevance by rule.

        `shape` (C, H, W) is that of the images. Layers of which no channel has any are left out of the relevance, and
        others have zeros there.
        """
        return gating.layers_without(self, shape)


def of_reading(model: nn.Module, reading: Mapping[str, Any], linear: Iterable[str] = ()) -> Propagator:
    """The Propagator that a reading of a study asks for; `linear` names linear layers that are read too."""
    return Propagator(
        model,
        from_setting(reading["rule"]),
        at=reading["at"],
        dtype=PRECISIONS[reading["precision"]],
        bias=reading["bias"],
        pool=reading["pool"],
        start=reading["seed"],
        linear=linear,
    )


def from_setting(rule: str | list[dict[str, Any]]) -> str | dict[float, str]:
    """A rule as `propagate` takes it; a study's settings have bands of depth as a list of {"to": ..., "rule": ...}."""
    if isinstance(rule, list):
        return {band["to"]: band["rule"] for band in rule}
    return rule


def _default(node):
    """The default of another argument of the forward."""
    if not node.args:
        raise Refused(
            f"the model's forward takes {node.target} beside the images; give it a default, or wrap the model"
        )
    return node.args[0]


def _chosen(target, logits):
    """The class of each image, (N,)."""
    if target is None:
        return logits.argmax(1)
    target = torch.as_tensor(target, device=logits.device).expand(len(logits))
    if int(target.min()) < 0 or int(target.max()) >= logits.shape[1]:
        raise Refused(
            f"targets go from {int(target.min())} to {int(target.max())}, but the model has {logits.shape[1]} classes"
        )
    return target
