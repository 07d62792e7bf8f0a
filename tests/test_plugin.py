"""Our messages: in a program of its own, under BasicSR's training script, and in a training of ours."""

import re
import textwrap

import pytest

from tests.helpers.two_processes import one_process

WITHOUT_CONFIGURATION = """
    import logging

    from iqa_sr import weights
    from iqa_sr.plugin import register

    ours = logging.getLogger("iqa_sr.guard.monitor")
    for _ in range(3):
        ours.info("too much")
        ours.warning("take care")
        register()
"""
BASICSR = """
    import logging

    from iqa_sr import plugin

    plugin.register()
    plugin.register()
    from basicsr.utils import get_root_logger

    ours = logging.getLogger("iqa_sr.guard.monitor")
    get_root_logger(log_level=logging.INFO, log_file="basicsr.log")
    ours.info("told by BasicSR")
    ours.debug("too much")

    from iqa_sr.training.progress_log import log_to_file, start_logging

    start_logging(rank=0)
    ours.info("before the file")
    log_to_file("ours.log")
    ours.warning("told by us")
    ours.debug("too much")
    ours.info("long" + 16 * "\\n")

    start_logging(rank=1)
    ours.warning("not from the second process")
    ours.error("but its errors")
"""
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "


def said(script, folder):
    """What a program writes to stderr."""
    (folder / "program.py").write_text(textwrap.dedent(script))
    ended = one_process("program.py", folder=folder)
    assert ended.codes == [0], ended.errors
    return ended.errors[0]


def test_a_program_without_configuration_sees_warnings(tmp_path):
    assert said(WITHOUT_CONFIGURATION, tmp_path) == "take care\n" * 3


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    return folder, said(BASICSR, folder)


@pytest.mark.basicsr
def test_the_console_has_every_message_once(told):
    lines = [
        "INFO: told by BasicSR",
        "INFO: before the file",
        "WARNING: told by us",
        "ERROR: but its errors",
    ]
    assert re.fullmatch("".join(f"{TIME}{line}\n" for line in lines), told[1])


@pytest.mark.basicsr
def test_the_log_files_have_them_too(told):
    folder, _ = told
    assert re.fullmatch(f"{TIME}INFO: told by BasicSR\n", (folder / "basicsr.log").read_text())
    ours = f"{TIME}INFO: before the file\n{TIME}WARNING: told by us\n{TIME}INFO: long\n{{17}}"
    assert re.fullmatch(ours, (folder / "ours.log").read_text())


def test_a_program_with_its_own_handlers_has_every_message_once(tmp_path):
    script = """
        import logging

        from iqa_sr.plugin import register

        logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
        for _ in range(2):
            logging.getLogger("iqa_sr.weights.store").info("found")
            register()
    """
    assert said(script, tmp_path) == "iqa_sr.weights.store found\n" * 2
