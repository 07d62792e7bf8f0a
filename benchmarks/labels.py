"""Acceptance tests of `iqa-sr label` and what comes of its answers, by simulated raters whose taste is known.

    python benchmarks/labels.py --part NAME [NAME ...] [--json FILE] [arguments of the parts]

Each file `label_NAME.py` beside this one is a part; `--part NAME --help` shows its arguments. A part has a first line
that says what it measures, `add_arguments(parser)`, and `run(args)`, which prints what it finds and returns it as
values for JSON.
"""

import argparse
import importlib
import json
import time
from pathlib import Path

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()

HERE = Path(__file__).parent


def main() -> None:
    names = sorted(path.stem.removeprefix("label_") for path in HERE.glob("label_*.py"))
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--part", nargs="+", choices=names, default=[], help="what is measured")
    first.add_argument("--json", metavar="FILE", help="where the results are written, too")
    parts = {name: importlib.import_module(f"label_{name}") for name in first.parse_known_args()[0].part}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[first], allow_abbrev=False
    )
    for name, part in parts.items():
        part.add_arguments(parser.add_argument_group(name, str(part.__doc__).splitlines()[0]))
    args = parser.parse_args()
    if not parts:
        parser.error(f"--part: expected at least one of {', '.join(names)}")
    found = {}
    for name, part in parts.items():
        began = time.perf_counter()
        found[name] = part.run(args)
        print(f"[{name}: {(time.perf_counter() - began) / 60:.1f} minutes]\n", flush=True)
        if args.json:
            Path(args.json).write_text(json.dumps(found, indent=1), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
