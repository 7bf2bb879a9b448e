"""Blocks of generated pages, and the scripts in docs/ that write them."""

import importlib.util
import re

from support.studies import ROOT


def contents(blocks, wanted):
    """The contents of all blocks of a kind."""
    return [content for kind, content in blocks if kind == wanted]


def lines(blocks):
    """All items of all lists."""
    return [line for lines in contents(blocks, "list") for line in lines]


def table_with(blocks, *columns):
    """The first table with these columns."""
    return next(table for table in contents(blocks, "table") if {*columns} <= {*table.columns})


def numbers(text):
    """The set of numbers of a text; what stands in code and the size in a network's name are none."""
    return set(re.findall(r"\d[\d,]*(?:\.\d+)?", re.sub(r"`[^`]*`|[A-Za-z]+-\d+", "", text)))


def numbers_of_tables(blocks):
    """The numbers of all tables of a page."""
    known = set()
    for table in contents(blocks, "table"):
        known |= numbers(" ".join(map(str, [*table.columns, *table.to_numpy().flat])))
    return known


def written(name, folders):
    """The page of a script in docs/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script.page(folders)
