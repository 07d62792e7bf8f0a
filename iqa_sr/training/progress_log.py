"""Progress of a run: a bar on a terminal, plain lines in a log, curves in TensorBoard."""

import datetime
import logging
import logging.handlers
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from iqa_sr.basicsr_compat import initialized_loggers

__all__ = ["ProgressLog", "check_tensorboard", "log_to_file", "open_tensorboard", "start_logging"]

LONG = 15
WARM_UP, ESTIMATED_AT = 3, 13  # iterations of a run: from here, and until here, the time for the others is measured
FORMAT = "%(asctime)s %(levelname)s: %(message)s"


class _Console(logging.Handler):
    """Writes above a progress bar; texts of more than 15 lines (options, networks) go to the log file only."""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if text.count("\n") <= LONG:
            with suppress(OSError, ValueError):  # a terminal that is gone ends no run: the log file has the text
                tqdm.write(text, file=sys.stderr)


def start_logging(rank: int = 0, quiet: bool = False) -> None:
    """Set up BasicSR's logger, which ours speaks through: the console, and a memory until there is a file.

    Args:
        rank: Rank of this process; only errors are told by others than the first.
        quiet: Warnings and errors alone on the console; the log file gets everything.
    """
    logger = logging.getLogger("basicsr")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    console = _Console()
    console.setFormatter(logging.Formatter(FORMAT))
    console.setLevel(logging.WARNING if quiet else logging.NOTSET)
    logger.addHandler(console)
    logger.addHandler(logging.handlers.MemoryHandler(100_000, flushLevel=logging.CRITICAL + 1, flushOnClose=False))
    logger.propagate = False
    logger.setLevel(logging.INFO if rank == 0 else logging.ERROR)
    initialized_loggers["basicsr"] = True  # BasicSR adds no handlers of its own


def log_to_file(path: Path) -> None:
    """Write the log to a file from now on, beginning with what was said since `start_logging`."""
    logger = logging.getLogger("basicsr")
    file = logging.FileHandler(path, "w", encoding="utf-8", errors="backslashreplace")
    file.setFormatter(logging.Formatter(FORMAT))
    for handler in list(logger.handlers):
        if isinstance(handler, logging.handlers.MemoryHandler):
            handler.setTarget(file)
            handler.flush()
            logger.removeHandler(handler)
    logger.addHandler(file)


def check_tensorboard() -> Any:
    """Class of TensorBoard's writer, checked to be installed.

    Raises:
        ModuleNotFoundError: If no TensorBoard is installed; says how to get it or to do without.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ModuleNotFoundError(
            "logger:use_tb_logger is true, but TensorBoard is not installed.\n"
            "pip install tensorboard, or set logger:use_tb_logger to false."
        ) from None
    return SummaryWriter


def open_tensorboard(folder: Path, resumed_at: int) -> Any:
    """A TensorBoard writer; after a resume, points beyond that iteration are hidden.

    Raises:
        ModuleNotFoundError: As `check_tensorboard`.
    """
    return check_tensorboard()(log_dir=str(folder), purge_step=resumed_at + 1 if resumed_at else None)


class ProgressLog:
    """The progress of the iterations: BasicSR's message every `print_freq`, and a bar with ETA on a terminal.

    Args:
        opt: Options of the run.
        start: Number of iterations already done.
        tensorboard: Writer of TensorBoard, or None.
        enabled: False on all processes but the first.
    """

    def __init__(self, opt: Mapping[str, Any], start: int, tensorboard: Any, enabled: bool = True) -> None:
        self.name, self.total = opt["name"], opt["train"]["total_iter"]
        self.tensorboard, self.start, self.enabled = tensorboard, start, enabled
        self.logger = logging.getLogger("basicsr")
        self.on_terminal = enabled and sys.stderr.isatty()
        self.bar = tqdm(
            total=self.total, initial=start, desc=self.name, unit="it", disable=not self.on_terminal, dynamic_ncols=True
        )
        self.began = self.warm = time.monotonic()
        self.done = 0
        self.data_seconds = 0.0

    def step_began(self, data_seconds: float) -> None:
        """Add the time for which the batch of an iteration was waited for, in seconds."""
        self.data_seconds += data_seconds

    def step_done(self) -> None:
        """Advance the progress bar by one iteration; after the first ones tell how long the run will take."""
        with suppress(OSError, ValueError):  # as above
            self.bar.update()
        self.done += 1
        if self.done == WARM_UP:
            self.warm = time.monotonic()
        elif self.done == ESTIMATED_AT and self.enabled:
            left = self.total - self.start - ESTIMATED_AT
            each = (time.monotonic() - self.warm) / (ESTIMATED_AT - WARM_UP)
            if left * each >= 60:
                time_left = datetime.timedelta(seconds=round(left * each))
                self.logger.info(
                    f"About {time_left} for the other {left:,} iterations, {each:.2f} s each; validations come on top."
                )

    def report(self, iteration: int, epoch: int, rates: list[float], values: Mapping[str, float]) -> None:
        """Tell the values of one iteration: a line, curves, and the bar's postfix.

        Args:
            iteration: Number of the iteration, from 1.
            epoch: Number of the epoch.
            rates: Learning rates of the first optimizer.
            values: Losses (`l_...`) and what else the model logs.
        """
        if not self.enabled:
            return
        done = max(1, iteration - self.start)
        per_iteration = (time.monotonic() - self.began) / done
        eta = datetime.timedelta(seconds=int(per_iteration * (self.total - iteration)))
        losses = {key: value for key, value in values.items() if "/" not in key}
        if self.on_terminal:
            self.bar.set_postfix({key: f"{value:.3g}" for key, value in list(losses.items())[:4]}, refresh=False)
        rate = ",".join(f"{rate:.3e}" for rate in rates)
        message = f"[{self.name}][epoch:{epoch:3d}, iter:{iteration:8,d}, lr:({rate})] [eta: {eta}, "
        message += f"time (data): {per_iteration:.3f} ({self.data_seconds / done:.3f})] "
        message += " ".join(f"{key}: {value:.4e}" for key, value in losses.items())
        self._line(message)
        if self.tensorboard:
            for key, value in values.items():
                self.tensorboard.add_scalar(f"losses/{key}" if key.startswith("l_") else key, value, iteration)
            self.tensorboard.add_scalar("learning_rate", rates[0], iteration)

    def _line(self, message: str) -> None:
        """To the console in a log; on a terminal the bar says it, and the line goes to the file only."""
        record = self.logger.makeRecord(self.logger.name, logging.INFO, __file__, 0, message, (), None)
        for handler in self.logger.handlers:
            if record.levelno >= handler.level and not (self.on_terminal and isinstance(handler, _Console)):
                handler.handle(record)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Work inside (validation, saving) that does not count as the iterations' time."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.began += time.monotonic() - began

    def close(self) -> None:
        """Close the progress bar."""
        with suppress(OSError, ValueError):
            self.bar.close()
