"""Facts in the path of an artifact: results/{dataset}/{model}/{seed}/{stage}/..."""

from pathlib import Path

STAGES = (
    *("evaluation", "export", "ranking", "retraining", "selection", "sensitivity", "sparsity", "statistics"),
    "tickets",
)


def seed_of(path: Path | str) -> int:
    """The training seed in the path of a stage's file; ValueError for a path without one."""
    parts = Path(path).parts
    for seed, stage in zip(reversed(parts[:-1]), reversed(parts), strict=False):
        if stage in STAGES and seed.isdigit():
            return int(seed)
    raise ValueError(f"{path} is no file of a network: it has no folder SEED/{'|'.join(STAGES)}")
