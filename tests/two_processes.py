"""Runs `iqa-sr` in two processes that know each other, as torchrun starts them, but imported once and then forked.

python -m tests.two_processes FILE: the file holds a JSON list of command lines, which are run one after the other.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent


class Ended(NamedTuple):
    """How both processes of a command have ended: exit codes (minus the signal's number), and what they said."""

    codes: list[int]
    out: list[str]
    errors: list[str]


def run_in_two_processes(*commands: list[str]) -> list[Ended]:
    """Run the commands in the working folder."""
    words = [sys.executable, "-m", "tests.two_processes"]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    done = subprocess.run(
        words, input=json.dumps(commands), capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [Ended(*ended) for ended in json.loads(done.stdout.splitlines()[-1])]


def _both(words: list[str]) -> Ended:
    """As torchrun does it: when one fails, the other is ended."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    names = [[f".{kind}-{rank}.txt" for rank in (0, 1)] for kind in ("out", "errors")]
    children = [_forked(words, rank, port, *(kind[rank] for kind in names)) for rank in (0, 1)]
    codes = {}
    while len(codes) < len(children):
        child, status = os.wait()
        codes[child] = os.waitstatus_to_exitcode(status)
        if codes[child]:
            for other in set(children) - set(codes):
                os.kill(other, signal.SIGTERM)
    said = [[Path(name).read_text() for name in kind] for kind in names]
    for name in (*names[0], *names[1]):
        Path(name).unlink()
    return Ended([codes[child] for child in children], *said)


def _forked(words: list[str], rank: int, port: int, out: str, errors: str) -> int:
    child = os.fork()
    if child:
        return child
    for stream, name in ((1, out), (2, errors)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    os.environ.update({"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"})
    os.environ.update({"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)})
    code = 99
    try:
        from iqa_sr.cli import main

        code = main(words)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return 0


if __name__ == "__main__":
    from iqa_sr.cpu_threads import prepare_cpu_threads

    prepare_cpu_threads()
    import iqa_sr.basicsr_api
    import iqa_sr.evaluate_command  # noqa: F401 - what takes seconds, before the processes part

    print(json.dumps([_both(words) for words in json.load(sys.stdin)]))
