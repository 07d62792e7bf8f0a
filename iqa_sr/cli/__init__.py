"""The command `iqa-sr`."""

from iqa_sr.cli.main import main

__all__ = ["main"]
