"""Where our messages go.

Every module has `logging.getLogger(__name__)`, below the logger `iqa_sr`, and is configured as any library: without
configuration, warnings go to stderr. Where BasicSR trains (`iqa_sr.plugin.register()`), `iqa_sr` speaks through the
logger `basicsr`, which has the console, the run's log file and, on all processes but the first, errors only.
"""

import logging

__all__ = ["speak_through_basicsr"]


class _BasicSRHandler(logging.Handler):
    """Hands messages to BasicSR's logger, with the handlers and the level that it has by then."""

    def emit(self, record: logging.LogRecord) -> None:
        basicsr = logging.getLogger("basicsr")
        if basicsr.isEnabledFor(record.levelno):
            basicsr.handle(record)


def speak_through_basicsr() -> None:
    """Send what is said below the logger `iqa_sr` to the logger `basicsr`; a second call changes nothing."""
    ours = logging.getLogger("iqa_sr")
    if not any(isinstance(handler, _BasicSRHandler) for handler in ours.handlers):
        ours.addHandler(_BasicSRHandler())
        ours.propagate = False  # BasicSR's logger decides
        if ours.level == logging.NOTSET:
            ours.setLevel(logging.DEBUG)
