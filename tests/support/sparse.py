"""The settings of a variant of sparse training that is Feather, as a checked study has them."""

FEATHER = {
    "power": 3, "scale": "const", "scale_high": 1.0, "scale_low": 0.5, "kappa": None, "start": 0, "ramp": 0.5,
    "deadline": None, "slowest": None, "fastest": None, "family": None, "reference": None, "drop": 0,
    "drop_rule": None,
}  # fmt: skip
