"""No two classes share a name: an error, a log or a reader names each of them by that alone."""

import ast
from collections import defaultdict

from tests import ROOT
from tests.architecture.test_imports import sources


def test_no_two_classes_share_a_name():
    files = [path for _, path in sources()] + [*(ROOT / "benchmarks").rglob("*.py")]
    places = defaultdict(list)
    for path in files:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert len(places) > 300
    assert not {name: found for name, found in places.items() if len(found) > 1}
