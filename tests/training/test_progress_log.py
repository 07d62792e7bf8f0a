import logging
import time

import pytest

from iqa_sr.training.progress_log import ESTIMATED_AT, WARM_UP, ProgressLog


@pytest.mark.parametrize(("total", "expected"), [(1013, ["About 0:08:20 for the other 1,000 iterations"]), (100, [])])
def test_after_the_first_iterations_the_time_of_the_others_is_told(monkeypatch, total, expected):
    """The first ones, which are slower, do not count; nothing is told of less than a minute."""
    now, messages = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(logging.getLogger("basicsr"), "info", messages.append)
    progress = ProgressLog({"name": "x", "train": {"total_iter": total}}, start=0, tensorboard=None)
    for number in range(1, ESTIMATED_AT + 5):
        now[0] += 7.0 if number <= WARM_UP else 0.5
        progress.step_done()
    assert [message.split(", 0.50 s each")[0] for message in messages] == expected
