"""Two processes of one group, as torchrun starts them, or one, without each importing PyTorch and BasicSR anew."""

import multiprocessing
import os
import runpy
import socket
import sys
import tempfile
import time
from multiprocessing import connection
from pathlib import Path
from typing import NamedTuple

# They are forked from a process that has imported these and computed nothing. What is not found there they import.
PRELOADED = ["iqa_sr.plugin", "iqa_sr.training.launch", "iqa_sr.evaluation.run", "iqa_sr.scores.scoring_run"]


class Ended(NamedTuple):
    """How two processes have ended: their exit codes (minus the signal's number), and what each has written."""

    codes: list[int]
    out: list[str]
    errors: list[str]


def two_processes(*args, limit=300):
    """Run `python <words>`, a file or `-m` and a module with its arguments, by two processes in the working folder.

    When one of them fails, or neither is done after `limit` seconds, what still runs is ended.
    """
    group = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    return _ended(args, os.getcwd(), [group | {"RANK": rank, "LOCAL_RANK": rank} for rank in ("0", "1")], limit)


def one_process(*args, folder, limit=300):
    """Run `python <words>` in a folder by a process of its own, as `two_processes` does; lists of one."""
    return _ended(args, str(folder), [{}], limit)


def _ended(args, folder, environments, limit):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with tempfile.TemporaryDirectory() as outputs:
        processes = []
        for number, own in enumerate(environments):
            environment = {**os.environ, "OMP_NUM_THREADS": "1", **own}
            processes.append(context.Process(target=_run, args=(args, folder, environment, f"{outputs}/{number}")))
        for process in processes:
            process.start()
        _wait(processes, limit)
        numbers = range(len(processes))
        written = [[Path(f"{outputs}/{number}.{end}").read_text() for number in numbers] for end in ("out", "err")]
    return Ended([process.exitcode for process in processes], *written)


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _wait(processes, limit):
    last, running = time.monotonic() + limit, processes
    while running and time.monotonic() < last and not any(process.exitcode for process in processes):
        connection.wait([process.sentinel for process in running], timeout=last - time.monotonic())
        running = [process for process in running if process.is_alive()]
    for process in running:
        process.terminate()
        process.join(20)
        process.kill()  # one that waits for the other in vain
        process.join()


def _run(args, folder, environment, output):
    import torch

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, end in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{output}.{end}", os.O_WRONLY | os.O_CREAT), number)
    torch.set_num_threads(1)
    sys.argv = list(args[1:] if args[0] == "-m" else args)
    if args[0] == "-m":
        runpy.run_module(args[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(args[0], run_name="__main__")
