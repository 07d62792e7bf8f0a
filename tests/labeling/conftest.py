"""A browser for the tests of the page; `tests/helpers/label_pages.py` says which."""

import pytest


@pytest.fixture(scope="module")
def chromium():
    from tests.helpers.label_pages import started

    with started() as driver:
        yield driver


@pytest.fixture
def browser(chromium):
    """The browser, without messages of an earlier test."""
    chromium.get_log("browser")
    yield chromium
    chromium.get("about:blank")
