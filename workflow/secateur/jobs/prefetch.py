"""Work on one item while the next one is made."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
END = object()


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items in the same order, each made in a thread while the caller works on the one before.

    Never more than one is made ahead, so that memory stays bounded. What goes wrong in the thread is raised where
    its item was due; a caller that stops early waits for the item in the making.
    """
    items = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, END)
        while (item := coming.result()) is not END:
            coming = thread.submit(next, items, END)
            yield item
