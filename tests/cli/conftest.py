"""What the tests of a command begin with."""

import pytest


@pytest.fixture
def working_folder(tmp_path, monkeypatch):
    """An empty folder that the command is called in."""
    monkeypatch.chdir(tmp_path)
