"""Two processes of one group, as torchrun starts them, without each importing PyTorch and BasicSR anew."""

import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing import connection
from pathlib import Path

# They are forked from a process that has imported these and computed nothing. What is not found there they import.
PRELOADED = ["iqa_sr.plugin", "iqa_sr.training", "iqa_sr.train_command", "iqa_sr.score_command"]


def two_processes(*words, limit=300):
    """Run `python <words>`, a file or `-m` and a module with its arguments, by two processes in the working folder.

    When one of them fails the other one is ended.

    Returns:
        The exit status of the one that failed first, or 0, and what both have written, one after the other.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    environment |= {"MASTER_PORT": str(_free_port()), "LOCAL_WORLD_SIZE": "2"}
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        for rank in ("0", "1"):
            place = {"RANK": rank, "LOCAL_RANK": rank}
            arguments = (words, os.getcwd(), environment | place, f"{folder}/{rank}")
            processes.append(context.Process(target=_run, args=arguments))
        for process in processes:
            process.start()
        status = _status(processes, limit)
        written = [_joined(sorted(Path(folder).glob(f"*.{end}"))) for end in ("out", "err")]
    return subprocess.CompletedProcess(words, status, *written)


def _joined(files):
    return "".join(file.read_text() for file in files)


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _status(processes, limit):
    last, running = time.monotonic() + limit, list(processes)
    while running and time.monotonic() < last and not any(process.exitcode for process in processes):
        connection.wait([process.sentinel for process in running], timeout=last - time.monotonic())
        running = [process for process in running if process.is_alive()]
    status = next((process.exitcode for process in processes if process.exitcode), "too slow" if running else 0)
    for process in running:
        process.kill()
        process.join()
    return status


def _run(words, folder, environment, output):
    import torch

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, end in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{output}.{end}", os.O_WRONLY | os.O_CREAT), number)
    torch.set_num_threads(1)
    sys.argv = list(words[1:] if words[0] == "-m" else words)
    if words[0] == "-m":
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(words[0], run_name="__main__")
