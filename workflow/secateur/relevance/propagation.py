"""Layer-wise relevance propagation (LRP): how much each channel contributed to one class, image by image.

Bach et al., PLoS ONE 10(7), 2015. Relevance starts as 1 at one class and runs back through the graph that torch.fx
traces: convolutions and linear layers by a rule of `rules.py`, everything else as `unweighted_layers.py` says.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from secateur import Refused
from secateur.graph import folding, functional, modes, readers, tracing
from secateur.relevance import linear_maps, rules, unweighted_layers
from secateur.study import biases, rule_numbers

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


def propagate(
    model: nn.Module,
    images: torch.Tensor,
    rule: str | dict[float, str] = "alpha2beta1",
    target: int | str | Sequence[int] | torch.Tensor | None = None,
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
    return propagator(images, target)[0]


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
        choices = {"at": (at, PLACES), "pool": (pool, unweighted_layers.POOLS), "start": (start, ("one", "logit"))}
        for name, (value, allowed) in choices.items():
            if value not in allowed:
                raise Refused(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        _refuse_unfit(model)
        self.model = unweighted_layers.without_inplace(folding.folded(functional.as_layers(model), strict=False))
        self.layout = torch.contiguous_format
        if dtype is not None:
            # Convolutions in bfloat16 want their channels last; in float32 that is slower.
            self.layout = torch.channels_last if dtype == torch.bfloat16 else torch.contiguous_format
            self.model = self.model.to(dtype).to(memory_format=self.layout)
        self.at, self.start, self.pixels = at, start, pixels
        self.bias = biases.bias_of(rule) if bias is None else bias
        self.times_input = rule == "gradient_x_input"
        self.graph = unweighted_layers.Graph(self.model, "plain" if _is_gradient(rule) else pool, self.bias)
        self.layers = [node.target for node in self.graph.nodes if self._is_linear(node)]
        self.rule_of = _assigned("gradient" if self.times_input else rule, self.layers, self.graph.modules)
        convolutions = {layer for layer in self.layers if isinstance(self.graph.modules[layer], nn.Conv2d)}
        self.read = [layer for layer in self.layers if layer in convolutions | {*linear}]
        self.links = readers.links(self.model, self.read) if at == "next_input" else []
        crossed = self.graph.crossed()
        # Dominators of the output carry all relevance.
        self.whole = [n.target for n in crossed if n.target in self.read]
        explained = self.graph.before(self.graph.logits)
        self.explained = {node.target for node in explained if self._is_linear(node)}
        self.unreached, self.original = [], model
        self.prepared = {}

    def __call__(
        self, images: torch.Tensor, target: int | str | Sequence[int] | torch.Tensor | None = None
    ) -> (
        tuple[dict[str, torch.Tensor], torch.Tensor | None, torch.Tensor | None]
        | Iterator[tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]]
    ):
        """({layer: (N, C, H, W)}, the class explained (N,), the relevance put on it (N,)) for one batch.

        With the target "each" it gives these for one class after the other, from one forward pass: no more than one
        class is in memory. They are to be taken before the next batch.
        """
        first = next(self.model.parameters())
        if images.dim() != 4 or not images.is_floating_point():
            raise Refused(
                "images must be floats (N, C, H, W), normalised as the model expects; "
                f"got {images.dtype} {tuple(images.shape)}"
            )
        broken = (~images.isfinite().flatten(1).all(1)).nonzero().flatten().tolist()
        if broken:
            raise Refused(
                f"{len(broken)} of {len(images)} images of the batch hold NaN or infinity, first image {broken[0]}; "
                "leave such images out, or mend what reads or normalises them"
            )
        with torch.no_grad():
            values = self._forward(images.to(first.dtype).contiguous(memory_format=self.layout))
            self._refuse_another(images, values)
            logits = values[self.graph.logits]
            if not isinstance(logits, torch.Tensor) or logits.dim() != 2:
                raise Refused("the model must give one tensor of logits (N, classes); wrap it in a module that does")
            if isinstance(target, str) and target == "each":
                return self._each(values, logits)
            if isinstance(target, str) and target == "all":
                each = [found for found, _, _ in self._each(values, logits)]
                return {name: torch.stack([one[name] for one in each]) for name in each[0]}, None, None
            chosen = _chosen(target, logits)
            return self._read(values, logits, chosen), chosen, self._start(logits, chosen)

    def _each(self, values, logits):
        for number in range(logits.shape[1]):
            with torch.no_grad():
                chosen = torch.full_like(logits[:, 0], number, dtype=torch.long)
                found = self._read(values, logits, chosen, again=True), chosen, self._start(logits, chosen)
            yield found

    def _refuse_another(self, images, values):
        """Once: the graph computes what the model does. An operation in place may change a value that is read again."""
        if self.original is None:
            return
        like = next(self.original.parameters())
        with modes.evaluating(self.original):
            wanted = self.original(images.to(like, copy=True))
        found, self.original = values[self.graph.nodes[-1].args[0]], None
        tracing.refuse_another(found, wanted, tracing.in_place(self.graph.nodes))

    def _is_linear(self, node):
        return isinstance(self.graph.module(node), (nn.Conv2d, nn.Linear))

    def _forward(self, images):
        """The value of every node; of a linear layer also what its rule keeps."""
        values, self.kept = {}, {}
        for node in self.graph.nodes:
            if node.op == "placeholder":
                values[node] = images if node is self.graph.nodes[0] else _default(node)
            else:
                try:
                    values[node] = self._value(node, values)
                except torch.OutOfMemoryError:
                    raise
                # What torch says of shapes that do not fit names no layer.
                except RuntimeError as error:
                    raise Refused(
                        f"the layer {node.target} cannot take images of shape {tuple(images.shape[1:])}: {error}; "
                        "are these the images that the model was trained on?"
                    ) from error
        return values

    def _value(self, node, values):
        if not self._is_linear(node):
            return self.graph.value(node, values)
        x = values[node.all_input_nodes[0]]
        rows = self._rows(node, x)
        value, self.kept[node] = self._prepared(node, rows)[0](rows)
        return value if rows is x else value.view(*x.shape[:-1], -1)

    def _rows(self, node, values):
        """What a linear layer reads or gives; at several positions, each is a row of its own: (N x positions, F)."""
        linear = isinstance(self.graph.module(node), nn.Linear)
        return values.reshape(-1, values.shape[-1]) if linear and values.dim() > 2 else values

    def _prepared(self, node, x):
        """(forward, backward) of a linear layer, made when it first meets an input."""
        module = self.graph.module(node)
        copies = self.graph.copies(node) if isinstance(module, nn.Linear) else 1
        size = tuple(x.shape[2:])
        if (node, copies, size) not in self.prepared:
            if isinstance(module, nn.Conv2d) and x.shape[1] != module.in_channels:
                raise Refused(
                    f"the layer {node.target} reads {module.in_channels} channels, but was given {x.shape[1]}: "
                    "are these the images that the model was trained on?"
                )
            if isinstance(module, nn.Linear) and x.shape[-1] * copies != module.in_features:
                raise Refused(
                    f"the layer {node.target} reads {module.in_features} values of an image, but was given "
                    f"{x.shape[-1] * copies}: are the images as large as those that the model was trained on?"
                )
            signed = not self.graph.never_negative(node.all_input_nodes[0])
            # What enters the first layer has its own relevance only if the pixels' is wanted.
            plain = not self.pixels and self.graph.reads_images(node)
            rule = rules.one_sided(lambda *_: None) if plain else rules.named(self.rule_of[node.target])
            self.prepared[node, copies, size] = rule(linear_maps.Map(module, copies, size), self.bias, signed)
        return self.prepared[node, copies, size]

    def _start(self, logits, target):
        """What relevance starts with at the class of each image, (N,)."""
        logit = logits.gather(1, target[:, None])[:, 0]
        return torch.ones_like(logit) if self.start == "one" else logit

    def _read(self, values, logits, target, again=False):
        """Relevance where it is read, for one class of each image."""
        start = self._start(logits, target)
        seed = torch.zeros_like(logits).scatter_(1, target[:, None], start[:, None])
        outputs, inputs = self._backward(values, seed, again)
        found = PLACES[self.at](self, values, outputs, inputs)
        return found | ({"": inputs[""]} if self.pixels else {})

    def _backward(self, values, seed, again=False):
        """Relevance at the output and at the input of every linear map; `again` if another class follows."""
        arriving, outputs, inputs = {self.graph.logits: seed}, {}, {}
        for node in reversed(self.graph.nodes):
            R = arriving.pop(node, None)
            if R is None:
                continue
            if node.op == "placeholder":
                inputs[""] = R * values[node] if self.times_input else R
                continue
            if self._is_linear(node):
                outputs[node.target] = node, R
                if not self.pixels and self.graph.reads_images(node):
                    continue
                source = node.all_input_nodes[0]
                x, value, R = (self._rows(node, part) for part in (values[source], values[node], R))
                backward = self._prepared(node, x)[1]
                kept = self.kept[node]
                R = backward(kept.clone() if again and kept is not None else kept, x, value, R)
                R = None if R is None else R.view(values[source].shape)
                inputs[node.target] = source, R
                passed = {source: R}
            else:
                passed = self.graph.passed(node, values, R)
            for source, part in passed.items():
                arriving[source] = unweighted_layers.added(arriving[source], part) if source in arriving else part
        # Of a layer that the classes depend on, and that relevance does not reach, nothing is known.
        self.unreached = [layer for layer in self.read if layer in self.explained and layer not in outputs]
        return outputs, inputs

    def layers_without(self, shape: Sequence[int]) -> dict[str, list[int]]:
        """{layer: [channel, ...]} of all channels that only gate others, so that they have no relevance by rule.

        `shape` (C, H, W) is that of the images. Layers of which no channel has any are left out of the relevance, and
        others have zeros there.
        """
        if self.graph.pool == "plain":
            return {}
        like = next(self.model.parameters())
        images = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0)).to(like)
        with torch.no_grad():
            values = self._forward(images.contiguous(memory_format=self.layout))
            reached, joined = (self._joined(values, gates) for gates in (False, True))
        only = {layer: joined[layer] & ~reached.get(layer, False) for layer in self.read if layer in joined}
        return {layer: channels.nonzero().flatten().tolist() for layer, channels in only.items() if channels.any()}

    def _joined(self, values, gates):
        """{layer: (C,) bool}: which channels paths join to the classes, through `gates` or not."""
        arriving = {self.graph.logits: torch.ones_like(values[self.graph.logits])}
        found = {}
        for node in reversed(self.graph.nodes):
            R = arriving.pop(node, None)
            if R is None or node.op == "placeholder":
                continue
            if self._is_linear(node):
                (source,) = node.all_input_nodes
                passed = {source: torch.ones_like(values[source])}
                channels = R if isinstance(self.graph.module(node), nn.Conv2d) else readers.features(R)[..., None]
                found[node.target] = found.get(node.target, False) | (channels.abs().flatten(2).sum((0, 2)) > 0)
            else:
                passed = self.graph.joined(node, values, R, gates)
            for source, part in passed.items():
                part = [one.abs() for one in part] if isinstance(part, list) else part.abs()
                arriving[source] = unweighted_layers.added(arriving[source], part) if source in arriving else part
        return found


def of_reading(model: nn.Module, reading: Mapping[str, Any], linear: Iterable[str] = ()) -> Propagator:
    """The Propagator that a reading of a study asks for; `linear` names linear layers that are read too."""
    chosen = {key: reading[key] for key in ("at", "bias", "pool")} | {"start": reading["seed"]}
    rule, dtype = from_setting(reading["rule"]), PRECISIONS[reading["precision"]]
    return Propagator(model, rule, dtype=dtype, linear=linear, **chosen)


def _default(node):
    """What a second argument of the forward is: its default."""
    if not node.args:
        raise Refused(
            f"the model's forward takes {node.target} beside the images; give it a default, or wrap the model"
        )
    return node.args[0]


def _refuse_unfit(model):
    if model.training:
        raise Refused("the model is in train mode, where dropout and BatchNorm draw and count; call model.eval() first")
    for name, values in (*model.named_parameters(), *model.named_buffers()):
        bad = int((~values.isfinite()).sum())
        if bad:
            raise Refused(
                f"the weights {name} hold {bad} values that are NaN or infinite, so relevance would be too; "
                "take an earlier checkpoint, or train again with a lower learning rate"
            )


def from_setting(rule: str | list[dict[str, Any]]) -> str | dict[float, str]:
    """A rule as `propagate` takes it; a study's settings have bands of depth as a list of {"to": ..., "rule": ...}."""
    return {band["to"]: band["rule"] for band in rule} if isinstance(rule, list) else rule


def _is_gradient(rule):
    return rule in ("gradient", "gradient_x_input")


def _assigned(rule, layers, modules):
    """{layer: name of its rule}; every name is checked."""
    if isinstance(rule, dict):
        bands = sorted((float(share), name) for share, name in rule.items())
        if not bands or bands[-1][0] < 1:
            raise Refused(f"bands of depth must reach 1, the last layer; got {rule}")
        found = {
            layer: next(name for share, name in bands if (place + 1) / len(layers) <= share + 1e-9)
            for place, layer in enumerate(layers)
        }
    elif rule in biases.COMPOSITES:
        first, conv, linear = biases.COMPOSITES[rule]
        found = {layer: conv if isinstance(modules[layer], nn.Conv2d) else linear for layer in layers}
        found[layers[0]] = first
    else:
        found = dict.fromkeys(layers, rule)
    for name in found.values():
        try:
            rules.named(name)
        except Refused as error:
            raise Refused(f"{error}, gradient_x_input, or a composite: {', '.join(biases.COMPOSITES)}") from None
        if wrong := rule_numbers.complaint(name):
            raise Refused(f"the rule is {name}, {wrong}")
    return found


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


# ---- where relevance is read ---------------------------------------------------------------------------------


def _at_output(propagator, values, outputs, inputs):
    """At every layer's own output; the relevance of one that no path joins to the class is zero."""
    found = {}
    for node in propagator.graph.nodes:
        layer = node.target
        if layer not in propagator.read or layer in propagator.unreached or layer in found:
            continue
        # Of a layer that is used twice, that of its first use.
        node, R = outputs.get(layer, (node, None))
        R = torch.zeros_like(values[node]) if R is None else R
        R = R * values[node] if propagator.times_input else R
        found[layer] = R if isinstance(propagator.graph.module(node), nn.Conv2d) else readers.features(R)[..., None]
    return found


def _at_next_input(propagator, values, outputs, inputs):
    """The reader's input; the copies of a channel behind a flatten are summed, as relevance adds up."""
    found = {}
    for link in propagator.links:
        if link.layer in propagator.unreached:
            continue
        source, R = inputs[link.reader]
        R = R * values[source] if propagator.times_input else R
        channels = len(propagator.graph.modules[link.layer].weight)
        found[link.layer] = R.reshape(len(R), channels, -1).sum(-1)[..., None, None] if R.dim() == 2 else R
    return found


PLACES = {"output": _at_output, "next_input": _at_next_input}
