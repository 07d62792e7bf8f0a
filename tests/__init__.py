"""The tests, a folder for each room of `iqa_sr/`."""

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
