"""Prefetching of the next item in a thread."""

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The items in order, each made in a thread while the caller works on the one before.

    Only one item is prefetched, so that memory stays bounded. An error in the thread is raised in place of its item; a
    caller that stops early waits for the item that is being made.
    """
    items = iter(items)
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(_next, items)
        while item := following.result():
            following = thread.submit(_next, items)
            yield from item


def _next(items: Iterator[Item]) -> list[Item]:
    """The next item alone; empty at the end."""
    return list(itertools.islice(items, 1))
