"""Train and eval mode, put back as they were."""

import contextlib


@contextlib.contextmanager
def evaluating(model):
    """Eval mode for the length of the block; afterwards every module has its own mode again."""
    before = [(module, module.training) for module in model.modules()]
    try:
        yield model.eval()
    finally:
        for module, mode in before:
            module.training = mode
