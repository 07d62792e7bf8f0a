"""Stages that overlap: order, how much is there at a time, and errors."""

import threading
import time

import pytest

from iqa_sr.runtime.threads import prefetch_map


def test_results_come_in_order():
    delays = [0.02, 0.0, 0.01, 0.0, 0.0]
    assert list(prefetch_map(lambda delay: time.sleep(delay) or delay, delays, threads=3)) == delays
    assert list(prefetch_map(str, [], threads=2)) == []


def test_two_items_are_worked_on_at_a_time():
    meeting = threading.Barrier(2, timeout=20)
    assert list(prefetch_map(lambda item: (meeting.wait(), item)[1], range(4), threads=2)) == [0, 1, 2, 3]


def test_no_more_items_are_taken_than_asked_for():
    taken, most = [], 0

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    for done, _ in enumerate(prefetch_map(lambda number: number, items(), threads=2, ahead=1)):
        most = max(most, len(taken) - done)
    assert most == 3


def test_stages_are_chained():
    doubled = prefetch_map(lambda number: 2 * number, range(50), threads=2, ahead=1)
    assert list(prefetch_map(str, doubled, threads=2)) == [str(2 * number) for number in range(50)]


def test_an_error_comes_at_its_turn_and_nothing_is_begun_behind_it():
    begun = []

    def work(number):
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    found = []
    with pytest.raises(ValueError, match="three"):
        for number in prefetch_map(work, range(100), threads=1, ahead=2):
            found.append(number)
    assert found == [0, 1, 2]
    assert max(begun) <= 5


def test_what_was_done_before_an_error_of_an_earlier_stage_is_not_lost():
    def halved(number):
        if number == 3:
            raise ValueError("three")
        return number / 2

    found = []
    with pytest.raises(ValueError, match="three"):
        for half in prefetch_map(str, prefetch_map(halved, range(9), threads=2, ahead=1), threads=2, ahead=1):
            found.append(half)
    assert found == ["0.0", "0.5", "1.0"]
