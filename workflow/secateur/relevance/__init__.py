"""Layer-wise relevance propagation, its rules, and relevance in HDF5."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from secateur.relevance.propagation import propagate

__all__ = ["propagate"]


def __getattr__(name: str) -> Any:
    # Imported when it is first used: jobs that read only files of relevance start without torch, three seconds sooner.
    if name == "propagate":
        from secateur.relevance.propagation import propagate

        return propagate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
