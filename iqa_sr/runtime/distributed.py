"""Several processes under torchrun: starting them, working together, agreeing on a fact, waiting for each other."""

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from iqa_sr.errors import OtherProcessFailed

__all__ = [
    "all_or_none",
    "any_process",
    "barrier",
    "gather_objects",
    "notices_ends",
    "on_rank_zero",
    "share_buffers",
    "share_tensors",
    "start_processes",
    "stop_processes",
    "told_as_lost",
    "world_size",
]

Made = TypeVar("Made")
GRACE = 5.0  # seconds for a process that has failed to say why: torchrun ends all others as soon as one has ended

LOST = "another process has ended before its work was done; its own error says why"


def start_processes(launcher: str = "none", backend: str | None = None) -> tuple[int, int]:
    """Join the process group when torchrun (or the launcher `pytorch`) started this process.

    The time limit is a day: the other processes wait while the first one validates.

    Args:
        launcher: Launcher that the user named, `none` or `pytorch`.
        backend: `gloo` for processes that exchange no tensors of a GPU, and may share one; None for gloo without CUDA,
            nccl with it.

    Returns:
        `(rank, world_size)`; `(0, 1)` for a process of its own.

    Raises:
        ValueError: If a launcher is asked for and its variables are missing.
    """
    if launcher == "none" and "RANK" not in os.environ:
        return 0, 1
    missing = [name for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise ValueError(
            f"`launcher` {launcher}: {', '.join(missing)} not set; start several processes with\n"
            "torchrun --nproc_per_node=2 train_sr.py -opt ..."
        )
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", os.environ["RANK"])) % torch.cuda.device_count())
    dist.init_process_group(backend or ("nccl" if cuda else "gloo"), timeout=timedelta(days=1))
    return dist.get_rank(), dist.get_world_size()


def stop_processes() -> None:
    """Leave the process group, if there is one.

    What is no longer used is collected first: a wrapped network that outlives its group takes the group's threads along
    into the end of the interpreter, where they now and then abort a process that has done its work.
    """
    if dist.is_initialized():
        gc.collect()
        dist.destroy_process_group()
        gc.collect()


def on_rank_zero(work: Callable[[], Made], name: str = "the work") -> Made:
    """Let the first process work while the others wait; one fails, all hear of it. All processes must call it.

    Args:
        work: Function that is called on the first process only; its result can be pickled.
        name: Description of the work, for the error of the other processes.

    Returns:
        What the first process has made, on every process.

    Raises:
        What `work` raises, on the first process.
        OtherProcessFailed: On the others: "<name> failed on the first process, which says why".
        ConnectionError: If a process has ended.
    """
    if not dist.is_initialized():
        return work()
    made: Any = None
    failure: BaseException | None = None
    if dist.get_rank() == 0:
        try:
            made = work()
        except BaseException as error:  # the others wait: they hear of it before this process goes on
            failure = error
    made, failed = gather_objects((made, failure is not None))[0]
    if failure is not None:
        raise failure
    if failed:
        raise OtherProcessFailed(f"{name} failed on the first process, which says why")
    return made


def all_or_none(work: Callable[[], Made]) -> Made:
    """Let every process work; one fails, all hear of it. All processes must call it.

    Of several that fail, the first alone raises its error: what is wrong for all is said once.

    Returns:
        What this process has made, when all have made theirs.

    Raises:
        What `work` raises, on the first process that fails.
        OtherProcessFailed: On the others; one that ends without a word waits `GRACE` before it does.
        ConnectionError: If a process has ended.
    """
    if not dist.is_initialized():
        return work()
    made: Any = None
    failure: Exception | None = None
    try:
        made = work()
    except Exception as error:
        failure = error
    try:
        if not any_process(failure is not None):
            return made
        failed = gather_objects(failure is not None)
    except ConnectionError as error:  # what this process has found wrong is not lost with the others
        raise failure or error from error
    if failure is not None and not any(failed[: dist.get_rank()]):
        raise failure
    raise OtherProcessFailed("another process has failed, which says why")


def world_size() -> int:
    """Number of processes of the group; 1 without one."""
    return dist.get_world_size() if dist.is_initialized() else 1


def notices_ends() -> bool:
    """Check whether a process that waits for others notices when one has ended: gloo does, NCCL waits on."""
    return dist.get_backend() == "gloo"


def told_as_lost(error: BaseException) -> BaseException:
    """The error itself, but for torch's of a process that has ended: a ConnectionError that says so."""
    lost = isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))
    return ConnectionError(LOST) if lost and dist.is_initialized() else error


def any_process(fact: bool) -> bool:
    """Check whether the fact holds on any process; all processes must ask.

    Raises:
        ConnectionError: If a process has ended.
    """
    if not dist.is_initialized():
        return fact
    flag = torch.tensor(float(fact), device="cuda" if dist.get_backend() == "nccl" else "cpu")
    with _connected():
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(flag.item())


def barrier() -> None:
    """Wait until every process is here.

    Raises:
        ConnectionError: If one has ended.
    """
    if dist.is_initialized():
        with _connected():
            dist.barrier()


def share_buffers(network: nn.Module) -> None:
    """Give every process the first one's buffers; all processes must call it."""
    share_tensors(network.buffers())


def share_tensors(tensors: Iterable[Tensor]) -> None:
    """Give every process the first one's content of these tensors; all processes must call it."""
    if dist.is_initialized():
        for tensor in tensors:
            content = tensor.contiguous()
            dist.broadcast(content, src=0)
            tensor.copy_(content)


def gather_objects(mine: Any) -> list[Any]:
    """One object of every process, in the order of their ranks; all processes must call it.

    Raises:
        ConnectionError: If a process has ended, after the seconds that it may need to say why.
    """
    if not dist.is_initialized():
        return [mine]
    everyone: list[Any] = [None] * dist.get_world_size()
    with _connected():
        dist.all_gather_object(everyone, mine)
    return everyone


@contextmanager
def _connected() -> Iterator[None]:
    """Inside, torch's error of a lost process is told as such."""
    try:
        yield
    except RuntimeError as error:
        time.sleep(GRACE)
        raise ConnectionError(LOST) from error
