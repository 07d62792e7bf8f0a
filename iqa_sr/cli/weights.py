"""`iqa-sr weights list|pull|verify|where|import`: the published weight files on this machine."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from iqa_sr.cli.arguments import add_quiet_argument
from iqa_sr.io.text_table import aligned

__all__ = ["add_arguments", "run"]

ACTIONS = {
    "list": "list the weight files: size, license, where they are, what uses them",
    "pull": "download weight files",
    "verify": "compare the hashes of the weight files on this machine",
    "where": "show the folders that are searched, or where a file is",
    "import": "copy a weight file that you have into the cache, checked",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the action and its files."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    parts = {name: actions.add_parser(name, help=text, description=text) for name, text in ACTIONS.items()}
    for part in parts.values():  # main adds it to the command only; what is not given here must not undo it there
        part.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parts["list"].add_argument("--json", action="store_true", help="all facts, for programs")
    parts["pull"].add_argument("names", nargs="*", metavar="NAME", help="a file or a metric")
    parts["pull"].add_argument(
        "--all",
        action="store_true",
        help="every file that can be downloaded (several GB), without the folders of language models",
    )
    add_quiet_argument(parts["pull"])
    parts["verify"].add_argument("names", nargs="*", metavar="NAME", help="a file (default: all on this machine)")
    parts["where"].add_argument("name", nargs="?", metavar="NAME", help="a file (default: the folders)")
    parts["import"].add_argument("files", nargs="+", metavar="FILE", help="a file that you have")
    parts["import"].add_argument("--as", dest="name", metavar="NAME", help="its published name")


def run(args: argparse.Namespace) -> int:
    """Do the action; 1 if a file is not what it should be."""
    actions = {"list": _list, "pull": _pull, "verify": _verify, "where": _where, "import": _import}
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    """Every file: size, license, where it lies, the metrics that use it."""
    from iqa_sr.metrics import metric_info, metric_names
    from iqa_sr.set_metrics.registry import SET_METRICS
    from iqa_sr.weights.checksums import first_hash
    from iqa_sr.weights.locations import cache_path, find_local
    from iqa_sr.weights.registry import WEIGHT_FILES
    from iqa_sr.weights.store import size_text

    users: dict[str, list[str]] = {name: [] for name in WEIGHT_FILES}
    for metric in metric_names():
        for name in metric_info(metric).weights:
            users.setdefault(name, []).append(metric)
    for info in SET_METRICS.values():
        users[info.features.weights].append(info.name)
    facts = []
    rows = [("file", "about", "license of the weights", "on this machine", "used by")]
    for file in WEIGHT_FILES.values():
        local = find_local(file)
        where = str(local.path.parent) if local else "no"
        rows.append((file.name, size_text(file), file.license, where, ", ".join(users[file.name]) or "-"))
        facts.append(
            {
                **asdict(file),
                "sha256": file.sha256 or first_hash(file.name),
                "sha256_published": bool(file.sha256),
                "path": str(local.path) if local else None,
                "put_at": str(cache_path(file.name)),
                "metrics": users[file.name],
            }
        )
    print(json.dumps(facts, indent=1) if args.json else aligned(rows))
    return 0


def _pull(args: argparse.Namespace) -> int:
    """Download what is missing of the named files, and of those that the named metrics need."""
    from iqa_sr.errors import same_name
    from iqa_sr.metrics import metric_info, metric_names
    from iqa_sr.set_metrics.registry import SET_METRICS
    from iqa_sr.weights.locations import find_local
    from iqa_sr.weights.registry import WEIGHT_FILES
    from iqa_sr.weights.store import did_you_mean_weights, find_all, size_text

    if args.all == bool(args.names):
        given = "both" if args.all else "neither"
        raise ValueError(f"weights pull: expected names of files or metrics, or --all, got {given}")
    wanted = [file.name for file in WEIGHT_FILES.values() if file.sources and not file.is_folder] if args.all else []
    metrics = [*metric_names(), *SET_METRICS]
    for name in [same_name(one, metrics) for one in args.names]:
        if name not in WEIGHT_FILES and name not in metrics:
            raise ValueError(f"no weights file and no metric is called {name!r}; {did_you_mean_weights(name, metrics)}")
        if name in SET_METRICS:
            wanted.append(SET_METRICS[name].features.weights)
        else:
            wanted += [name] if name in WEIGHT_FILES else metric_info(name).weights
    for name in dict.fromkeys(wanted):
        if (package := WEIGHT_FILES[name].package) and (problem := package.problem()):
            print(f"note: the network of {name} {problem}", file=sys.stderr)
    before = {name for name in wanted if find_local(WEIGHT_FILES[name])}
    for name, path in find_all(wanted, asked=True).items():
        print(f"{name}: {'was there already, ' if name in before else ''}{path}")
    for file in WEIGHT_FILES.values() if args.all else ():
        if not file.sources and find_local(file) is None:
            print(f"{file.name}: no download; {file.page}")
        elif file.is_folder and find_local(file) is None:
            print(f"{file.name}: {size_text(file)}, by its name alone: iqa-sr weights pull {file.name}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    """Hash the named files, or all that are on this machine, anew."""
    from iqa_sr.weights.locations import find_local
    from iqa_sr.weights.registry import WEIGHT_FILES
    from iqa_sr.weights.store import weight_file
    from iqa_sr.weights.verification import verify_file

    files = [weight_file(name) for name in args.names] or [file for file in WEIGHT_FILES.values() if find_local(file)]
    fine = True
    for file in files:
        ok, text = verify_file(file)
        fine = fine and ok
        print(f"{file.name}: {text}", file=sys.stdout if ok else sys.stderr)
    if not files:
        print("no weights file is on this machine")
    return 0 if fine else 1


def _where(args: argparse.Namespace) -> int:
    """The folders in the order in which they are searched, or the path of one file."""
    from iqa_sr.weights.locations import cache_path, find_local, search_folders
    from iqa_sr.weights.store import weight_file

    if args.name is None:
        for label, folder in search_folders():
            print(f"{label}: {folder}{'' if folder.is_dir() else ' (does not exist)'}")
        return 0
    local = find_local(weight_file(args.name))
    if local is None:
        raise FileNotFoundError(f"{args.name} is not on this machine; its place would be {cache_path(args.name)}")
    print(local.path)
    return 0


def _import(args: argparse.Namespace) -> int:
    """Copy files into our own cache under their published names."""
    from iqa_sr.weights.verification import import_file

    if args.name is not None and len(args.files) != 1:
        raise ValueError(f"weights import --as {args.name}: expected one file, got {len(args.files)}")
    for path in args.files:
        name, target = import_file(Path(path), args.name)
        print(f"{name}: {target}")
    return 0
