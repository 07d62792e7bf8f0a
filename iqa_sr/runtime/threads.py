"""Threads: how OpenMP's wait on a CPU run, and stages of work that overlap in ours.

Imports no torch: `prepare_cpu_threads` is called before that.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

__all__ = ["prefetch_map", "prepare_cpu_threads"]

Given = TypeVar("Given")
Made = TypeVar("Made")


def prepare_cpu_threads() -> None:
    """Let waiting OpenMP threads sleep soon where there is no GPU, unless the user has set how they wait.

    Threads that spin for long make a run several times slower as soon as another process keeps a core busy. Those that
    sleep at once cost a small network a fifth of its speed on an idle machine; a short spin costs neither much.
    """
    has_gpu = any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))
    if not has_gpu or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def prefetch_map(
    function: Callable[[Given], Made], items: Iterable[Given], threads: int, ahead: int = 0
) -> Iterator[Made]:
    """`map` in threads: results in the order of the items, of which no more than a few are there at a time.

    Stages are chained by giving the results of one as the items of the next.

    Args:
        function: Function of one stage.
        items: Items, taken one by one in the thread that asks for results.
        threads: Number of threads, each of which works on one item at a time.
        ahead: Number of further items that may wait for a thread, or to be asked for.

    Raises:
        What the function raises, at its item's turn; later items are not begun then. And what the items raise, after
        the results of those before.
    """
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(threads)
    errors: list[Exception] = []
    try:
        for item in _until_error(items, errors):
            waiting.append(pool.submit(function, item))
            del item  # an image: its thread alone keeps it
            if len(waiting) >= threads + ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
    if errors:
        raise errors[0]


def _until_error(items: Iterable[Given], errors: list[Exception]) -> Iterator[Given]:
    """The items up to the first error, which goes into the list."""
    try:
        yield from items
    except Exception as error:
        errors.append(error)
