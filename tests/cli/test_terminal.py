"""Names of files reach no terminal as commands, and one that cannot print them costs nothing."""

import io
import os
import sys

import pytest

from iqa_sr.cli.main import main
from iqa_sr.cli.terminal import escaped, safe_output
from tests.helpers.sr_datasets import make_image, save


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Größe ½\tx\n", "plain Größe ½\tx\n"),
        ("\x1b]0;title\x07\x1b[2Jx", r"\x1b]0;title\x07\x1b[2Jx"),
        ("a\rb\x08\x9b31m\x7f", r"a\rb\x08\x9b31m\x7f"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        (os.fsdecode(b"\xff.png"), r"\udcff.png"),
    ],
)
def test_what_a_terminal_would_obey_or_cannot_print_is_escaped(text, shown):
    assert escaped(text, "utf-8") == shown


def test_an_ascii_console_shows_escapes(monkeypatch):
    content = io.BytesIO()
    console = io.TextIOWrapper(content, "ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", console)
    with safe_output():
        print("größe", os.fsdecode(b"\xff"), "\x1b[2J")
        for bar in ("\r 50% ü", "\x1b[A\x1b[A", "\r    \r", "\n"):  # as tqdm writes
            sys.stdout.write(bar)
        sys.stdout.writelines(["a\x1b", "b"])
        assert sys.stdout.isatty() is False and sys.stdout.encoding == "ascii"
    assert sys.stdout is console
    assert content.getvalue() == b"gr\\xf6\\xdfe \\udcff \\x1b[2J\n\r 50% \\xfc\x1b[A\x1b[A\r    \r\na\\x1bb"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize(
    ("arguments", "code", "shown"),
    [
        (["metrics"], 0, b"jod-lite"),
        (["weights", "list"], 0, b"afine"),
        (["score", "größe-Ω-\x1b[2J", "--metric", "niqe"], 1, b"-\\u03a9-\\x1b[2J"),
        (["score", "x", "--metric", "niqe", "--ünknown-Ω\x1b[2J"], 2, b"nknown-\\u03a9\\x1b[2J"),
        (["score", "--help"], 0, b"usage: iqa-sr score"),
    ],
)
def test_a_console_of_another_encoding_stops_no_command(encoding, arguments, code, shown, monkeypatch):
    """Nor does a wish for no color; what the console cannot show is escaped, also in what argparse prints."""
    monkeypatch.setenv("NO_COLOR", "1")
    content = io.BytesIO()
    console = io.TextIOWrapper(content, encoding, errors="strict", write_through=True)
    monkeypatch.setattr(sys, "stdout", console)
    monkeypatch.setattr(sys, "stderr", console)
    try:
        assert main(arguments) == code
    except SystemExit as ended:  # argparse
        assert ended.code == code
    assert shown in content.getvalue() and b"\x1b" not in content.getvalue()


def test_names_that_are_no_text_or_commands_cost_no_score(tmp_path, monkeypatch, capsys):
    """A name that is not UTF-8 is scored; one with a line break is named and left out; both are shown as escapes."""
    monkeypatch.chdir(tmp_path)
    for name in (b"\xff\xfe.png", b"a\nb.png", b"\x1b[2J.png", b"p.png"):
        save("x.png", make_image(1, 32))
        os.rename("x.png", b"pics/" + name) if os.path.isdir("pics") else (
            os.mkdir("pics"),
            os.rename("x.png", b"pics/" + name),
        )
    assert main(["score", "pics", "--metric", "jod-lite", "--output", "s.csv"]) == 1
    shown = capsys.readouterr()
    assert "3 new scores" in shown.out and r"'a\nb.png' has a line break in its name; rename it" in shown.err
    assert main(["score", "pics", "--metric", "jod-lite", "--output", "s.csv"]) == 1
    again = capsys.readouterr()
    assert "0 new scores, 3 were there already" in again.out
    for text in (shown.out, shown.err, again.out):
        assert "\x1b" not in text and text.isprintable() is False and text.encode("utf-8")
    assert main(["score", "pics", "--metric", "jod-lite"]) == 1
    assert r"\udcff\udcfe.png" in capsys.readouterr().out


def test_an_error_is_never_longer_than_its_reader(capsys, tmp_path):
    assert main(["report", str(tmp_path / ("x" * 200)) * 30]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and len(shown) < 1100
