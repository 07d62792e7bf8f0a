"""The server of labels in a process of its own, which may be killed at any moment and started again."""

import multiprocessing
import os
import socket
import threading
import time
from pathlib import Path

from tqdm import tqdm

from iqa_sr.data.answers.log import LABELS, LOG, AnswerLog

TOKEN = "a-token-that-stays-the-same"
# A new process is there at once: it is made by one that has imported everything.
_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
_PROCESSES = multiprocessing.get_context(_METHOD)
if _METHOD == "forkserver":
    _PROCESSES.set_forkserver_preload(["iqa_sr.labeling.session", "iqa_sr.labeling.server", "iqa_sr.metrics"])


class ServedSession:
    """A rater's session and its server; each start goes on with what is on the disk.

    Attributes:
        port: Port, the same after each start.
        address: Address of the page.
        said: File of what it says to its user.
    """

    def __init__(self, source, rater="ann", **options):
        self.source, self.rater, self.options = Path(source), rater, options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.said = self.source.with_name(f"{self.source.name}-{rater}.txt")
        self.address = f"http://127.0.0.1:{self.port}/?token={TOKEN}"
        self.token = TOKEN
        self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.kill()

    def start(self, largest_file=None):
        """Start it; with `largest_file`, as if the disk was full when a file has so many bytes."""
        arguments = (self.source, self.rater, self.options, self.port, self.said, largest_file)
        self._process = _PROCESSES.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.is_alive() and time.monotonic() < end, "the server has not started"
                time.sleep(0.02)

    def kill(self):
        """End it at once, as `kill -9` does."""
        self._process.kill()
        self._process.join()

    def end(self, number):
        """Send a signal that asks it to end, and wait; returns its exit code."""
        os.kill(self._process.pid, number)
        self._process.join(60)
        return self._process.exitcode

    @property
    def log(self):
        """The log, as it is on the disk."""
        return self.source / LABELS / self.rater / LOG

    def answers(self):
        """Answers on the disk, in their order."""
        return AnswerLog(self.log).answers


def _serve(source, rater, options, port, said, largest_file):
    from iqa_sr.labeling.server import serve
    from iqa_sr.labeling.session import open_session
    from iqa_sr.runtime.threads import prepare_cpu_threads

    prepare_cpu_threads()
    tqdm.set_lock(threading.RLock())  # else one for several processes, which a killed one leaves behind
    if largest_file is not None:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))
    with open_session([source], rater, **options) as session, open(os.devnull if largest_file else said, "a") as told:
        serve(session, port=port, open_browser=False, token=TOKEN, say=lambda line: print(line, file=told, flush=True))
