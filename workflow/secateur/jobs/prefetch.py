"""Prefetching of the next item in a thread."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
END = object()


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The items in order, each made in a thread while the caller works on the one before.

    Only one item is prefetched, so that memory stays bounded. An error in the thread is raised in place of its item; a
    caller that stops early waits for the item that is being made.
    """
    items = iter(items)
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, items, END)
        while (item := following.result()) is not END:
            following = thread.submit(next, items, END)
            yield item
