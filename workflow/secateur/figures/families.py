"""The look of each family of criteria: one colour, dash and marker, the same in every figure of a study's page.

Colours are those of Okabe and Ito without yellow, which is too light on white; lightness, dash and marker tell families
apart where colours do not.
"""

from typing import Any, NamedTuple


class Look(NamedTuple):
    """Colour, dash and marker, as matplotlib takes them."""

    colour: str
    dash: Any
    marker: str

    def line(self) -> dict[str, Any]:
        """Arguments of a line."""
        return {"color": self.colour, "linestyle": self.dash, "marker": self.marker}


LOOKS = {
    "relevance": Look("#0072b2", "-", "o"),
    "weights": Look("#d55e00", (0, (6, 2)), "s"),
    "mixed": Look("#009e73", (0, (6, 2, 1, 2)), "^"),
    "image_scores": Look("#cc79a7", "-", "D"),
    "weight_scores": Look("#e69f00", (0, (3, 1)), "v"),
    "learned": Look("#000000", "-", "P"),
    "measured": Look("#56b4e9", (0, (8, 2)), "X"),
    "files": Look("#555555", "-", "*"),
    "random": Look("#8c8c8c", (0, (1, 1)), "."),
    "controls": Look("#b0b0b0", (0, (1, 2)), "."),
}
