"""Working ahead: the same items in the same order, one at a time, and no error lost."""

import threading

import pytest
import torch

from secateur.jobs import prefetch


def test_items_come_in_order_and_one_ahead():
    made = []

    def items():
        for number in range(5):
            made.append(number)
            yield number

    coming = prefetch.ahead(items())
    assert made == []
    for number in coming:
        assert set(made) <= set(range(number + 2))
    assert made == [0, 1, 2, 3, 4]
    assert list(prefetch.ahead([])) == []


def test_the_next_item_is_made_while_the_caller_works():
    begun = threading.Event()

    def items():
        yield 1
        begun.set()
        yield 2

    coming = prefetch.ahead(items())
    assert next(coming) == 1
    assert begun.wait(10)
    assert list(coming) == [2]


def test_an_error_surfaces_where_its_item_was_due():
    def items():
        yield 1
        raise OSError("disk gone")

    coming = prefetch.ahead(items())
    assert next(coming) == 1
    with pytest.raises(OSError, match="disk gone"):
        next(coming)


def test_a_caller_that_stops_early_leaves_no_thread_and_closes_the_source():
    closed = []

    def items():
        try:
            yield from range(100)
        finally:
            closed.append(True)

    before = threading.active_count()
    coming = prefetch.ahead(prefetch.ahead(items()))
    assert [next(coming), next(coming)] == [0, 1]
    coming.close()
    assert threading.active_count() == before
    assert closed == [True]


def test_the_thread_computes_with_the_callers_number_of_threads():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert list(prefetch.ahead(torch.get_num_threads() for _ in range(2))) == [3, 3]
    finally:
        torch.set_num_threads(before)
