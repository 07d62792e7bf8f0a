"""Debian's Chromium and its driver, without which the tests of a page are skipped, and say so."""

import shutil
import warnings

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")


def need_chromium(command):
    """Skip the tests of the module that calls this where there is no browser."""
    if not (CHROMIUM and DRIVER):
        missing = (
            f"NOT TESTED: the page of `{command}` needs Chromium and its driver, which are not on this machine "
            "(Debian: apt-get install chromium chromium-driver)"
        )
        warnings.warn(missing, stacklevel=2)
        pytest.skip(missing, allow_module_level=True)
