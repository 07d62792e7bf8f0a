"""Working together: one fails, all hear of it."""

import textwrap

import pytest

from iqa_sr.errors import OtherProcessFailed, TrainingStopped
from iqa_sr.runtime import distributed
from tests.helpers.two_processes import two_processes

WORKER = """
    import os
    import sys

    from iqa_sr.runtime import distributed

    distributed.GRACE = 0.1
    rank, world = distributed.start_processes(backend="gloo")


    def fail(text="broken"):
        raise OSError(f"{text} on {rank}")


    def told(call, *arguments):
        try:
            print(repr(call(*arguments)))
        except BaseException as error:
            print(f"{type(error).__name__}: {error}")


    told(distributed.on_rank_zero, lambda: ("made by", rank))
    told(distributed.on_rank_zero, fail, "the guard")
    told(distributed.on_rank_zero, lambda: sys.exit(3))
    told(distributed.all_or_none, lambda: rank)
    told(distributed.all_or_none, fail)
    told(distributed.all_or_none, lambda: fail() if rank == 1 else rank)
    told(distributed.gather_objects, rank)
    sys.stdout.flush()
    if rank == 1:
        os._exit(0)
    told(distributed.all_or_none, lambda: rank)
"""


def test_one_fails_and_all_hear_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "worker.py").write_text(textwrap.dedent(WORKER))
    done = two_processes("worker.py")
    assert done.codes == [0, 0], done.errors
    first, second = (out.splitlines() for out in done.out)
    left_alone = "ConnectionError: another process has ended before its work was done; its own error says why"
    other = "OtherProcessFailed: another process has failed, which says why"
    assert first == [
        "('made by', 0)",
        "OSError: broken on 0",
        "SystemExit: 3",
        "0",
        "OSError: broken on 0",
        other,
        "[0, 1]",
        left_alone,
    ]
    assert second == [
        "('made by', 0)",
        "OtherProcessFailed: the guard failed on the first process, which says why",
        "OtherProcessFailed: the work failed on the first process, which says why",
        "1",
        other,
        "OSError: broken on 1",
        "[0, 1]",
    ]


@pytest.mark.parametrize("together", [distributed.on_rank_zero, distributed.all_or_none])
def test_a_process_of_its_own(together):
    made = object()
    assert together(lambda: made) is made
    failure = KeyError("mine")

    def fail():
        raise failure

    with pytest.raises(KeyError) as caught:
        together(fail)
    assert caught.value is failure


def test_what_ends_a_training_ends_it_here_too():
    assert issubclass(OtherProcessFailed, TrainingStopped)
