"""Small data sets and option files that the tests share.

Nothing is imported here that takes seconds: of the processes of `pytest -n`, the first one runs no test.
"""

import gc
import logging
import os
import signal
from contextlib import contextmanager
from functools import cache

import pytest

from iqa_sr.runtime.packages import is_installed
from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()
os.environ.pop("IQA_SR_WEIGHTS", None)  # the user's own files are no concern of the tests

from tests import TESTS  # noqa: E402
from tests.helpers.sr_datasets import write_groups  # noqa: E402

# Half a minute and more each: they go first, so that at the end no process waits for the other one's long file.
LONG = ("training/test_loop", "training/test_lora", "recipes/test_recipes", "training/test_stock_models")
LONG += ("metrics/test_ahiq", "metrics/test_maniqa", "metrics/test_liqe")
LONG += tuple(f"objectives/test_{name}" for name in ("afine", "arniqa", "augmentiq", "ranking"))


def _file_of(item):
    """The test's file below `tests/` without its ending, as `metrics/test_afine`."""
    return item.path.relative_to(TESTS).with_suffix("").as_posix()


def pytest_collectstart():
    """Before a test's module is imported: what of BasicSR it imports needs what the plugin provides."""
    import iqa_sr.plugin  # noqa: F401


@pytest.hookimpl(trylast=True)  # when the reporter is there; under `pytest -n` the first process has it
def pytest_sessionstart(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not is_installed("basicsr"):
        reporter.write_line(
            "BasicSR is not installed: tests with the marker `basicsr`, which need it, are deselected, and "
            "tests/basicsr_compat/test_builtin_{dataset,losses,networks}.py are left out."
        )


def pytest_collection_modifyitems(config, items):
    if not is_installed("basicsr"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("basicsr")])
        items[:] = [item for item in items if not item.get_closest_marker("basicsr")]
    items.sort(key=lambda item: _file_of(item) not in LONG)


def pytest_collection_finish():
    """All is imported. A million objects that stay need not be looked through at each collection of garbage, of which
    every training run makes several: 0.3 s each."""
    gc.collect()
    gc.freeze()


def pytest_itemcollected(item):
    """Two processes share the tests: those of one file, or of one metric, stay together with what they have built.

    Here and not when the collection is done: by then pytest-xdist has looked for the groups.
    """
    metric = item.callspec.params.get("case") if hasattr(item, "callspec") else None
    name = f"{_file_of(item)}-{metric}" if isinstance(metric, str) else _file_of(item)
    item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(autouse=True, scope="session")
def _no_network(tmp_path_factory):
    """No test finds weights or caches of the machine, or reaches a network."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TORCH_HOME", "IQA_SR_CACHE", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE"):
            patch.setenv(name, str(tmp_path_factory.getbasetemp() / "caches" / name))
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")
        yield


@pytest.fixture(autouse=True, scope="session")
def _generated_images_once():
    """Data sets keep a generated image as it is, and it is the same every time: a process draws it once, in 0.1 s."""
    from iqa_sr.data.creation import unlabeled_images

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unlabeled_images, "procedural_image", cache(unlabeled_images.procedural_image))
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_wait_for_the_disk():
    """Nobody cuts the power of the tests: thousands of files need not reach the disk before the next line is run.

    That it is asked for, and when, is tested with the function's name.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def _signals():
    """Signals mean what they mean in a terminal, also where a shell or `nohup` has started the tests to ignore some."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """An empty working folder, where networks and losses can be named."""
    from iqa_sr import plugin

    plugin.register()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """A working folder with a data set of four groups of 64 px images (one original, two enhanced)."""
    monkeypatch.chdir(tmp_path)
    write_groups(tmp_path / "data", count=4, size=64)
    return tmp_path


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Deterministic, and quicker for images this small; also while fixtures of modules are made."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _threads(_one_thread):
    """What a test changes is put back."""
    import torch

    yield
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _messages():
    """They reach pytest's `caplog` also after a training, which keeps them for its own console and log file."""
    yield
    ours = logging.getLogger("iqa_sr")
    ours.handlers.clear()
    ours.propagate = True
    ours.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory):
    """`with synthetic(*file_names):` - inside, the store finds these published files, with synthetic content.

    The processes of a test run share the folder: what one has written the other finds.
    """
    from tests.synthetic import write_synthetic

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "weights"
    folder.mkdir(exist_ok=True)

    @contextmanager
    def available(*names):
        for name in names:
            write_synthetic(name, folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IQA_SR_WEIGHTS", str(folder))
            yield folder

    return available
