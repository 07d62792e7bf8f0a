"""The sources, read: text files name their encoding and line ends, paths become texts with forward slashes."""

import ast

import pytest

from tests import ROOT

FOLDERS = ("iqa_sr", "losses", "samplers", "benchmarks", "docs")
NO_FILES = {"Image", "ScoreTable", "archive", "lmdb", "opener", "os", "self.archive"}
"""What has an `open` that opens no text file."""
CSV = {"reader", "writer", "DictReader", "DictWriter"}


def sources():
    return [ROOT / "train_sr.py", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))]


def calls(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def given(call):
    return {keyword.arg for keyword in call.keywords}


def is_text_open(call):
    """Whether a call opens a file as text; each of several modes counts."""
    if isinstance(call.func, ast.Name):
        position, named = 1, call.func.id == "open"
    elif isinstance(call.func, ast.Attribute):
        position = 1 if call.func.attr in ("fdopen", "NamedTemporaryFile", "TemporaryFile") else 0
        named = (
            call.func.attr == "open" and ast.unparse(call.func.value) not in NO_FILES
        ) or call.func.attr == "fdopen"
    else:
        return False
    mode = next((one.value for one in call.keywords if one.arg == "mode"), None)
    mode = call.args[position] if mode is None and len(call.args) > position else mode
    modes = [] if mode is None else [one.value for one in ast.walk(mode) if isinstance(one, ast.Constant)]
    return named and not (modes and all("b" in one for one in modes if isinstance(one, str)))


def problems(text):
    """Calls that depend on the system: their source text, and what they lack."""
    tree, found = ast.parse(text), []
    tables = [
        call
        for call in calls(tree)
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "csv" and call.func.attr in CSV
    ]
    for call in calls(tree):
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if (is_text_open(call) or method in ("read_text", "write_text")) and "encoding" not in given(call):
            found.append((ast.unparse(call), "encoding"))
        if method == "write_text" and "newline" not in given(call):
            found.append((ast.unparse(call), "newline"))
        if tables and is_text_open(call) and "newline" not in given(call):
            found.append((ast.unparse(call), "newline"))
    return found + [(text, "as_posix") for text in native_paths(tree)]


def native_paths(tree):
    """Where a relative path, which is a name in tables and messages, becomes a text with the system's own slashes."""
    inner = [
        node.args[0] for node in calls(tree) if isinstance(node.func, ast.Name) and node.func.id == "str" and node.args
    ]
    inner += [node.value for node in ast.walk(tree) if isinstance(node, ast.FormattedValue)]
    return [
        ast.unparse(node)
        for node in inner
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "relative_to"
    ]


def test_nothing_in_the_sources_depends_on_the_system():
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sources()}
    assert (
        len(texts) > 300 and sum(is_text_open(call) for text in texts.values() for call in calls(ast.parse(text))) > 3
    )
    assert {name: found for name, text in texts.items() if (found := problems(text))} == {}


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("open(path)", ["encoding"]),
        ("open(path, 'w')", ["encoding"]),
        ("open(path, mode='a')", ["encoding"]),
        ("path.open('w' if new else 'ab')", ["encoding"]),
        ("path.read_text()", ["encoding"]),
        ("path.write_text(text)", ["encoding", "newline"]),
        ("path.write_text(text, encoding='utf-8')", ["newline"]),
        ("import csv\nwith path.open('w', encoding='utf-8') as file:\n    csv.writer(file)", ["newline"]),
        ("os.fdopen(handle, 'w')", ["encoding"]),
        ("name = str(path.relative_to(root))", ["as_posix"]),
        ("name = f'{path.relative_to(root)}/x'", ["as_posix"]),
        ("open(path, 'rb')", []),
        ("path.open('ab' if have else 'wb')", []),
        ("path.open('w', newline='', encoding='utf-8')", []),
        ("name = path.relative_to(root).as_posix()", []),
        ("Image.open(path)\nos.open(path, os.O_RDWR)", []),
    ],
)
def test_what_is_looked_for_is_found(text, lacking):
    assert [lack for _, lack in problems(text)] == lacking
