"""CPU seconds of a training step with a neutral hook, over those of the loop that everyone writes.

    python benchmarks/training.py [--network resnet56] [--batch 128] [--pairs 30]

Both take turns on one thread, in float32, each on a network of its own; the weights are compared at the end.
"""

import argparse
import copy
import statistics
import time

import torch
from torch.nn import functional as F

import networks
from secateur.training import hooks, loop, optimisation, partial_file

OPTIONS = {
    **{"epochs": 1, "optimizer": "sgd", "learning_rate": 0.1, "schedule": "constant", "warm_up": 0, "momentum": 0.9},
    **{"nesterov": True, "weight_decay": 5e-4, "clip": None, "loss": "cross_entropy", "label_smoothing": 0.0},
    "precision": "float32",
}


def plain_step(model, optimizer, pixels, labels):
    """One update by the plain loop, which also counts what is right."""
    logits = model(pixels)
    loss = F.cross_entropy(logits, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item(), int((logits.argmax(1) == labels).sum())


def spent(work, *arguments):
    """CPU seconds of a call."""
    start = time.process_time()
    work(*arguments)
    return time.process_time() - start


def pairs(model, batch, count):
    """(seconds with a neutral hook, seconds of the plain loop) of `count` pairs of steps, and both networks."""
    hooked, plain = model.train(), copy.deepcopy(model).train()
    hook = hooks.Hook()
    run = partial_file.Run(hooked, OPTIONS, 0, optimisation.scheduled(hooked, OPTIONS, hook.groups), hook)
    optimizer = optimisation.OPTIMIZERS["sgd"](optimisation.parameters(plain, OPTIONS["weight_decay"]), OPTIONS)
    seconds = []
    # The first pair warms up.
    for step in range(count + 1):
        pixels, labels = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
        first = spent(loop._step, run, pixels, labels, step, count + 1)
        seconds.append((first, spent(plain_step, plain, optimizer, pixels, labels)))
    return seconds[1:], hooked, plain


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet56")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    seconds, hooked, plain = pairs(networks.settled(arguments.network), arguments.batch, arguments.pairs)
    ratio = statistics.median(first / second for first, second in seconds)
    step = statistics.median(second for _, second in seconds)
    equal = all(map(torch.equal, hooked.state_dict().values(), plain.state_dict().values()))
    print(
        f"{arguments.network}, batches of {arguments.batch}, {arguments.pairs} pairs of steps: neutral hook "
        f"{ratio:.3f} of the plain loop ({step:.3f} s a step); weights equal bit for bit: {equal}",
        flush=True,
    )


if __name__ == "__main__":
    main()
