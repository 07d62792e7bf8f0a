"""What importing costs: `import iqa_sr` against `import torch`, and `iqa-sr --help`.

python benchmarks/imports.py [--pairs 5]
"""

import argparse
import statistics
import subprocess
import sys
import time

STATEMENTS = {
    "torch": "import torch",
    "iqa_sr": "import iqa_sr",
    "iqa_sr.metrics": "import iqa_sr.metrics",
    "iqa-sr --help": "import sys; sys.argv = ['iqa-sr', '--help']; from iqa_sr.cli import main; main()",
    "iqa-sr metrics": "import sys; sys.argv = ['iqa-sr', 'metrics']; from iqa_sr.cli import main; main()",
}


def seconds(statement: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    chosen = parser.parse_args()
    rounds = [{name: seconds(text) for name, text in STATEMENTS.items()} for _ in range(chosen.pairs + 1)][1:]
    for name in STATEMENTS:
        ratio = statistics.median(one[name] / one["torch"] for one in rounds)
        print(f"{name}: {statistics.median(one[name] for one in rounds):.2f} s, {ratio:.2f} times import torch")


if __name__ == "__main__":
    main()
