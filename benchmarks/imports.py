"""Cost of imports: `import iqa_sr` against `import torch`, `iqa-sr --help`; and how deep our imports go.

python benchmarks/imports.py [--pairs 5]
python benchmarks/imports.py --chains 3

The depth is the number of modules in the longest chain in which each imports the next, read from the sources. Imports
inside functions and those for annotations only (`TYPE_CHECKING`) are left out.
"""

import argparse
import ast
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATEMENTS = {
    "torch": "import torch",
    "iqa_sr": "import iqa_sr",
    "iqa_sr.metrics": "import iqa_sr.metrics",
    "iqa-sr --help": "import sys; sys.argv = ['iqa-sr', '--help']; from iqa_sr.cli.main import main; main()",
    "iqa-sr metrics": "import sys; sys.argv = ['iqa-sr', 'metrics']; from iqa_sr.cli.main import main; main()",
}


def seconds(statement: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def our_modules() -> dict[str, Path]:
    """The file of each module, by its name."""
    folders = {"iqa_sr": "iqa_sr", "losses": "iqa_sr.losses", "samplers": "iqa_sr.samplers"}
    return {
        ".".join([package, *path.relative_to(ROOT / folder).with_suffix("").parts]).removesuffix(".__init__"): path
        for folder, package in folders.items()
        for path in (ROOT / folder).rglob("*.py")
    }


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below a node that run when its module is imported."""
    for below in ast.iter_child_nodes(node):
        for_annotations = isinstance(below, ast.If) and ast.unparse(below.test) == "TYPE_CHECKING"
        if not (for_annotations or isinstance(below, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            yield below
            yield from run_at_import(below)


def imported(path: Path, modules: dict[str, Path]) -> set[str]:
    """The modules of ours that a file imports; `from package import module` is the module."""
    found = set()
    for node in run_at_import(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else str(node.module) for name in names}
    return found & modules.keys()


def longest_chains(number: int) -> list[tuple[str, ...]]:
    """So many chains of modules, the longest of each module that a chain begins with, the longest first."""
    modules = our_modules()
    graph = {name: imported(path, modules) - {name} for name, path in modules.items()}

    @cache
    def chain(name: str) -> tuple[str, ...]:
        return (name, *max((chain(other) for other in sorted(graph[name])), key=len, default=()))

    return sorted(map(chain, modules), key=len, reverse=True)[:number]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--chains", type=int, metavar="N", help="print the N longest chains of imports instead")
    args = parser.parse_args()
    if args.chains:
        for chain in longest_chains(args.chains):
            print(f"{len(chain)} modules: {' > '.join(name.removeprefix('iqa_sr.') for name in chain)}")
        return
    rounds = [{name: seconds(text) for name, text in STATEMENTS.items()} for _ in range(args.pairs + 1)][1:]
    for name in STATEMENTS:
        ratio = statistics.median(one[name] / one["torch"] for one in rounds)
        print(f"{name}: {statistics.median(one[name] for one in rounds):.2f} s, {ratio:.2f} times import torch")


if __name__ == "__main__":
    main()
