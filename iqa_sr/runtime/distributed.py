"""Several processes under torchrun: starting them, agreeing on a fact, waiting for each other."""

import gc
import os
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

__all__ = ["any_process", "barrier", "gather_objects", "share_buffers", "start_processes", "stop_processes"]


def start_processes(launcher: str = "none", backend: str | None = None) -> tuple[int, int]:
    """Join the process group when torchrun (or the launcher `pytorch`) started this process.

    The time limit is a day: the other processes wait while the first one validates.

    Args:
        launcher: What the user said.
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


def any_process(fact: bool, device: torch.device | str = "cpu") -> bool:
    """Whether the fact holds on any process; all processes must ask."""
    if not dist.is_initialized():
        return fact
    flag = torch.tensor(float(fact), device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(flag.item())


def barrier() -> None:
    """Wait until every process is here."""
    if dist.is_initialized():
        dist.barrier()


def share_buffers(network: nn.Module) -> None:
    """Give every process the first one's buffers; all processes must call it."""
    if dist.is_initialized():
        for buffer in network.buffers():
            content = buffer.contiguous()
            dist.broadcast(content, src=0)
            buffer.copy_(content)


def gather_objects(mine: Any) -> list[Any]:
    """One object of every process, in the order of their ranks."""
    if not dist.is_initialized():
        return [mine]
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, mine)
    return everyone
