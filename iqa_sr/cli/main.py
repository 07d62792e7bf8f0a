"""The console command `iqa-sr`; each command imports what it needs when it runs."""

import argparse
import sys
from collections.abc import Callable, Sequence

from iqa_sr.runtime.cpu_threads import prepare_cpu_threads

__all__ = ["main"]

Add = Callable[[argparse.ArgumentParser], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `iqa-sr`.

    Args:
        arguments: Words of the command line; None for the process's own.

    Returns:
        The exit code: 0 when all went well, 1 after an error, 128 + a signal's number.
    """
    prepare_cpu_threads()
    parser = argparse.ArgumentParser(prog="iqa-sr", description="Super-resolution training guided by image quality.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (add, _, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        add(command)
        if name != "train":
            command.add_argument("--debug", action="store_true", help="show the stack trace of an error")
    chosen = parser.parse_args(arguments)

    from iqa_sr.cli.errors import report_errors

    return report_errors(lambda: COMMANDS[chosen.command][1](chosen), chosen.debug)


# --- train, verify-resume ---------------------------------------------------------------------------------------------


def _add_train(parser: argparse.ArgumentParser) -> None:
    from iqa_sr.cli.train import add_train_arguments

    add_train_arguments(parser)


def _train(chosen: argparse.Namespace) -> int:
    from iqa_sr.cli.train import run

    return run(chosen)


def _add_verify_resume(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML)")
    parser.add_argument("--at", type=int, default=5, metavar="N", help="interrupt after N iterations of 2N (default 5)")
    parser.add_argument("--force_yml", nargs="+", default=[], metavar="KEY=VALUE", help="as for training")


def _verify_resume(chosen: argparse.Namespace) -> int:
    from iqa_sr.training.verify_resume import verify_resume

    if chosen.at < 1:
        raise ValueError(f"--at: expected at least 1, got {chosen.at}")
    return verify_resume(chosen.opt, chosen.at, chosen.force_yml)


# --- merge ------------------------------------------------------------------------------------------------------------


def _add_merge(parser: argparse.ArgumentParser) -> None:
    from iqa_sr.cli.arguments import add_strength_argument

    parser.add_argument("--checkpoint", required=True, metavar="BASE", help="the network that the adapter was made for")
    parser.add_argument(
        "--adapter", action="append", required=True, metavar="DIR", help="its folder; several are mixed"
    )
    add_strength_argument(parser)
    parser.add_argument("--output", metavar="FILE", help=".pth or .safetensors (default: a .pth beside the adapter)")


def _merge(chosen: argparse.Namespace) -> int:
    from iqa_sr.cli.merge import merge

    merge(chosen.checkpoint, chosen.adapter, chosen.strength, chosen.output)
    return 0


# --- upscale ----------------------------------------------------------------------------------------------------------


def _add_upscale(parser: argparse.ArgumentParser) -> None:
    from iqa_sr.cli.upscale import add_upscale_arguments

    add_upscale_arguments(parser)


def _upscale(chosen: argparse.Namespace) -> int:
    from iqa_sr.cli.upscale_command import run_upscale

    return run_upscale(chosen)


# --- Data -------------------------------------------------------------------------------------------------------------


def _add_check_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML)")
    parser.add_argument("--force_yml", nargs="+", default=[], metavar="KEY=VALUE", help="as for training")


def _check_data(chosen: argparse.Namespace) -> int:
    from iqa_sr.cli.data import check_option_file

    return check_option_file(chosen.opt, chosen.force_yml)


def _add_make_sample(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", default="datasets/sample", metavar="DIR", help="default: datasets/sample")


def _make_sample(chosen: argparse.Namespace) -> int:
    from pathlib import Path

    from iqa_sr.data.creation.sample_dataset import make_sample

    if Path(chosen.output).exists():
        raise FileExistsError(f"--output {chosen.output} exists already; nothing was written")
    make_sample(chosen.output)
    print(f"made {chosen.output}: train/ and val/, each with original/ and 01/ to 04/ (README.txt names the sources)")
    return 0


def _add_make_gts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", required=True, metavar="DIR", help="folder of pictures")
    parser.add_argument("--output", required=True, metavar="DIR", help="root of the data set: original/, 01/, 02/, ...")
    parser.add_argument(
        "--enhancer",
        action="append",
        metavar="NAME",
        help="of 01/; repeated, of 02/, ...: unsharp, detail, nlm-sharp, clahe (default: all four) or a network's file",
    )
    parser.add_argument("--device", default="cpu", metavar="NAME", help="where networks run (default cpu)")
    parser.add_argument("--overwrite", action="store_true", help="make again what is there already")


def _make_gts(chosen: argparse.Namespace) -> int:
    from iqa_sr.data.creation.enhanced_gts import ENHANCERS, make_gts

    names = chosen.enhancer or list(ENHANCERS)
    made = make_gts(chosen.input, chosen.output, names, overwrite=chosen.overwrite, device=chosen.device)
    print(made.summary())
    return 1 if made.failed else 0


def _add_select_patches(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", required=True, metavar="DIR", help="folder of pictures, or a data set with versions")
    parser.add_argument("--output", required=True, metavar="DIR", help="where the patches go")
    for name, value, text in (
        ("--size", 512, "side of a patch in pixels"),
        ("--stride", 288, "distance of the places in pixels"),
        ("--jitter", 16, "largest random move of a place in pixels"),
        ("--seed", 0, "of the random moves"),
    ):
        parser.add_argument(name, type=int, default=value, metavar="N", help=f"{text} (default {value})")
    parser.add_argument("--min-std", type=float, default=30, metavar="X", help="least grey deviation (default 30)")
    parser.add_argument(
        "--min-laplacian", type=float, default=30, metavar="X", help="least Laplacian variance (default 30)"
    )


def _select_patches(chosen: argparse.Namespace) -> int:
    from iqa_sr.data.creation.patches import select_patches

    names = ("size", "stride", "jitter", "min_std", "min_laplacian", "seed")
    print(select_patches(chosen.input, chosen.output, **{name: getattr(chosen, name) for name in names}).summary())
    return 0


def _add_make_triplets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--layout", required=True, metavar="NAME", help="diffiqa, kadid, pipal or tid2013")
    parser.add_argument("--input", required=True, metavar="DIR", help="the data set as published")
    parser.add_argument("--output", required=True, metavar="DIR", help="where train.txt, val.txt and test.txt go")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of splits and partners (default 0)")


def _make_triplets(chosen: argparse.Namespace) -> int:
    from iqa_sr.data.preferences.triplet_creation import make_triplets

    print(make_triplets(chosen.layout, chosen.input, chosen.output, chosen.seed).summary())
    return 0


# --- Scores -----------------------------------------------------------------------------------------------------------


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="picture, or folder that is searched with its sub-folders")
    parser.add_argument("--metric", required=True, metavar="NAMES", help="metrics, separated by commas")
    parser.add_argument(
        "--reference", metavar="PATH", help="picture or folder that full-reference metrics compare with"
    )
    parser.add_argument("--output", metavar="FILE", help="score table (.csv; what is in it is kept) or .json")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="pictures of one size at a time (default 8)")


def _score(chosen: argparse.Namespace) -> int:
    from iqa_sr.cli.score import score_path

    return score_path(chosen.path, chosen.metric.split(","), chosen.reference, chosen.output, chosen.batch)


def _add_agree(parser: argparse.ArgumentParser) -> None:
    from iqa_sr.cli.agree import add_agree_arguments

    add_agree_arguments(parser)


def _agree(chosen: argparse.Namespace) -> int:
    from iqa_sr.cli.agree_command import run_agree

    return run_agree(chosen)


def _add_metrics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="the table of the README, with licences and papers")


def _metrics(chosen: argparse.Namespace) -> int:
    from iqa_sr.cli.score import metrics_markdown, print_metrics

    if not chosen.markdown:
        return print_metrics()
    print(metrics_markdown())
    return 0


# --- Judging checkpoints ----------------------------------------------------------------------------------------------


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    from iqa_sr.cli.evaluate import add_evaluate_arguments

    add_evaluate_arguments(parser)


def _evaluate(chosen: argparse.Namespace) -> int:
    from iqa_sr.cli.evaluate_command import run_evaluation

    return run_evaluation(chosen)


def _add_pick(parser: argparse.ArgumentParser) -> None:
    from iqa_sr.cli.pick import add_pick_arguments

    add_pick_arguments(parser)


def _pick(chosen: argparse.Namespace) -> int:
    from iqa_sr.cli.pick_command import run_pick

    return run_pick(chosen)


def _add_report(parser: argparse.ArgumentParser) -> None:
    from iqa_sr.cli.report import add_report_arguments

    add_report_arguments(parser)


def _report(chosen: argparse.Namespace) -> int:
    from iqa_sr.cli.report_command import run_report

    return run_report(chosen)


# --- Weights ----------------------------------------------------------------------------------------------------------


def _add_weights(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    parts = {name: actions.add_parser(name, help=text, description=text) for name, text in WEIGHTS_ACTIONS.items()}
    for part in parts.values():  # main adds it to the command only; what is not given here must not undo it there
        part.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parts["list"].add_argument("--json", action="store_true", help="all facts, for programs")
    parts["pull"].add_argument("names", nargs="*", metavar="NAME", help="a file or a metric")
    parts["pull"].add_argument("--all", action="store_true", help="every file that can be downloaded (several GB)")
    parts["verify"].add_argument("names", nargs="*", metavar="NAME", help="a file (default: all on this machine)")
    parts["where"].add_argument("name", nargs="?", metavar="NAME", help="a file (default: the folders)")
    parts["import"].add_argument("files", nargs="+", metavar="FILE", help="a file that you have")
    parts["import"].add_argument("--as", dest="name", metavar="NAME", help="its published name")


def _weights(chosen: argparse.Namespace) -> int:
    from iqa_sr.cli import weights as weights_command

    actions = {
        "list": lambda: weights_command.list_weights(chosen.json),
        "pull": lambda: weights_command.pull_weights(chosen.names, chosen.all),
        "verify": lambda: weights_command.verify_weights(chosen.names),
        "where": lambda: weights_command.show_places(chosen.name),
        "import": lambda: weights_command.import_weights(chosen.files, chosen.name),
    }
    return actions[chosen.action]()


WEIGHTS_ACTIONS = {
    "list": "list the weight files: size, licence, where they are, what uses them",
    "pull": "download weight files",
    "verify": "compare the hashes of the weight files on this machine",
    "where": "show the folders that are searched, or where a file is",
    "import": "copy a weight file that you have into the cache, checked",
}

COMMANDS: dict[str, tuple[Add, Callable[[argparse.Namespace], int], str]] = {
    "train": (_add_train, _train, "train a network, as train_sr.py does"),
    "verify-resume": (_add_verify_resume, _verify_resume, "prove that an interrupted run goes on bit by bit"),
    "merge": (_add_merge, _merge, "merge adapters of LoRA into their base, at any strength"),
    "upscale": (_add_upscale, _upscale, "make pictures larger with a trained network"),
    "check-data": (_add_check_data, _check_data, "check the data sets of an option file, list every problem"),
    "make-sample": (_add_make_sample, _make_sample, "make the sample data set from scikit-image's photographs"),
    "make-gts": (_add_make_gts, _make_gts, "make enhanced ground truths from a folder of pictures"),
    "select-patches": (_add_select_patches, _select_patches, "cut pictures into detailed patches (HGGT's rule)"),
    "make-triplets": (_add_make_triplets, _make_triplets, "make lists of triplets for A-FINE's training"),
    "score": (_add_score, _score, "score pictures, alone or against references"),
    "evaluate": (_add_evaluate, _evaluate, "evaluate checkpoints on data sets, into a result folder"),
    "agree": (_add_agree, _agree, "measure how well metrics agree with people"),
    "pick": (_add_pick, _pick, "choose a checkpoint by several metrics, with limits, and say why"),
    "metrics": (_add_metrics, _metrics, "list the metrics"),
    "report": (_add_report, _report, "make a page from evaluations and trainings: scores, plots, pictures"),
    "weights": (_add_weights, _weights, "list, download, check and import weight files"),
}

if __name__ == "__main__":
    sys.exit(main())
