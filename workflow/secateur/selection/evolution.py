"""A scorer fitted without gradients: an evolution strategy over its weights, at the cost of a fit by gradients.

The strategy is CMA-ES with a diagonal covariance (Ros and Hansen, 2008), of the library pycma. All candidates of a
generation are tried on one batch of training images. The search depends on its draws and on the losses that it was told
alone: a killed one is told them again, without a pass over an image.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from secateur.artifacts import stamps
from secateur.evaluation import measuring
from secateur.images import store
from secateur.jobs import progress
from secateur.models import tensor_files
from secateur.selection.learning import Training
from secateur.selection.output_analyser import OutputAnalyser
from secateur.selection.scorer_phase import ScorerPhase
from secateur.study import seeds
from secateur.training import loop, optimisation, partial_file

# The first standard deviation of each weight, that of the weights of the hidden layer as they are drawn.
SPREAD = 0.1


@dataclasses.dataclass(frozen=True)
class Search:
    """A scorer in front of a network, and the cost of the fit that it is compared with."""

    analyser: OutputAnalyser
    scorer: nn.Module
    phase: ScorerPhase
    forwards_of_step: int  # forward passes of one image behind a step by gradients


def run(search: Search, material: Training) -> list[dict[str, float]]:
    """The history of a search, an epoch for as many forward passes as an epoch by gradients costs.

    The scorer is left with the mean of the distribution, after the epoch that `select` chooses.
    """
    training = material.options["training"]
    strategy = _strategy(search.scorer, material.seed)
    cost = strategy.popsize * min(training["batch_size"], len(material.train))
    per_epoch = max(1, round(search.forwards_of_step * len(material.train) / cost))
    stamp = _stamp(search, material)
    told, history, best = _resumed(material.partial, stamp, strategy)
    seconds = history[-1]["seconds"] if history else 0.0
    for epoch in range(len(history) + 1, training["epochs"] + 1):
        started, losses = time.process_time(), []
        with progress.over(per_epoch, "generations", f"epoch {epoch} of {training['epochs']}") as bar:
            for _ in range(per_epoch):
                told.append(_generation(search, strategy, material, len(told)))
                losses.append(min(told[-1]))
                bar.update(1)
        seconds += time.process_time() - started
        _load(search.scorer, strategy.mean)
        row = {"epoch": epoch, "learning_rate": float(strategy.sigma), "train_loss": float(np.mean(losses))}
        row |= {"train_accuracy": math.nan, **_validated(search, material.validation)}
        row |= {"kept_units": search.analyser.share_kept(), "gate_changes": math.nan, "closings": 1.0}
        history.append(row | {"seconds": seconds, "forwards": len(told) * cost})
        if optimisation.is_best(history, training["select"]):
            best = _weights(search.scorer)
        if material.partial is not None:
            content = {"stamp": stamp, "told": told, "history": history, "best": torch.from_numpy(best)}
            tensor_files.write(material.partial, content)
    _load(search.scorer, best)
    return history


def _strategy(scorer, seed) -> Any:
    """The distribution of weights, around those of the scorer, with random numbers of its own."""
    import cma

    generator = seeds.numpy_generator(seed, "evolution")
    options = {
        "CMA_diagonal": True,
        "randn": lambda *shape: generator.standard_normal(shape),
        "seed": np.nan,
        "verbose": -9,
    }
    return cma.CMAEvolutionStrategy(_weights(scorer), SPREAD, options)


def _stamp(search, material):
    """The stamp of a search: that of its caller, its options, and the contents of networks and images."""
    run = partial_file.Run(search.analyser, dict(material.options["training"]), material.seed, {}, search.phase.hook())
    return partial_file.stamp_of(
        run, stamps.digest([material.stamp, "evolution"]), (material.train, material.validation)
    )


def _resumed(partial, stamp, strategy):
    """(losses by generation, history, best weights) of a killed search, which the strategy is told again."""
    content = tensor_files.resumable(partial, stamp, "the search starts from the first generation")
    if content is None:
        return [], [], None
    for losses in content["told"]:
        strategy.tell(strategy.ask(), losses)
    return content["told"], content["history"], content["best"].numpy()


@torch.no_grad()
def _generation(search, strategy, material, number):
    """The losses of the candidates of a generation, all on one batch, of which the strategy is told."""
    generator = seeds.numpy_generator(material.seed, "generation", number)
    options = material.options["training"]
    size = min(options["batch_size"], len(material.train))
    rows = np.sort(generator.choice(len(material.train), size, replace=False))
    # As a fit by gradients sees them.
    augmented = seeds.torch_generator(material.seed, "generation", number)
    device = next(search.scorer.parameters()).device
    pixels, labels = loop.batch(material.train, rows, options, augmented, device)
    candidates, losses = strategy.ask(), []
    for weights in candidates:
        _load(search.scorer, weights)
        with search.phase.as_trained():
            logits = search.analyser(pixels)
        losses.append(F.cross_entropy(logits, labels, label_smoothing=options["label_smoothing"]).item())
    strategy.tell(candidates, losses)
    return losses


def _validated(search, images: store.Images) -> Mapping[str, float]:
    """The validation half of an epoch's row, by the scores of the weights that the scorer has."""
    search.phase.refresh(1, 1)
    search.analyser.eval()
    measured = measuring.over(search.analyser, _batches(images, search.scorer))
    return {"validation_loss": measured.loss, "validation_accuracy": measured.accuracy}


def _batches(images, scorer):
    device = next(scorer.parameters()).device
    for _, pixels, labels in store.batches(images, 256):
        yield pixels.to(device), labels.to(device)


def _weights(scorer):
    """(weights,) all weights of a scorer in float64."""
    return nn.utils.parameters_to_vector(scorer.parameters()).detach().double().cpu().numpy()


@torch.no_grad()
def _load(scorer, weights):
    device = next(scorer.parameters()).device
    nn.utils.vector_to_parameters(
        torch.as_tensor(np.asarray(weights), dtype=torch.float32, device=device), scorer.parameters()
    )
