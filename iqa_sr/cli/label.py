"""`iqa-sr label`: one page in the browser on which people compare images; what their answers are worth."""

import argparse
import sys
from typing import TYPE_CHECKING

from iqa_sr.cli.arguments import add_quiet_argument

if TYPE_CHECKING:
    from iqa_sr.labeling.worth import Until

__all__ = ["add_arguments", "run"]

HOST = "127.0.0.1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: what is asked about, who is asked, in which order, and where the page is served."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a multi-GT data set, results/RUN of iqa-sr evaluate (also several), or a folder whose sub-folders hold "
        "images of the same names",
    )
    parser.add_argument("--rater", metavar="NAME", help="who answers; the same name goes on with a session")
    parser.add_argument(
        "--mode",
        choices=["groups", "pairs", "checkpoints"],
        help="each version against its original, any two versions, or checkpoints (default: what SOURCE is)",
    )
    parser.add_argument(
        "--order",
        choices=["active", "random"],
        help="the pair next that tells most, or any (default: active for pairs of more than 2 versions)",
    )
    parser.add_argument(
        "--count", type=int, metavar="N", help="questions of the session (default 200; of groups and with --until all)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of order, sides, known pairs and repeats (default 0)")
    parser.add_argument(
        "--checkpoints", nargs="+", default=[], metavar="LABEL", help="only these are compared, two or more"
    )
    parser.add_argument(
        "--until",
        type=float,
        metavar="P",
        help="end as soon as two checkpoints are told apart with this confidence, e.g. 0.95, or are shown to be alike",
    )
    parser.add_argument(
        "--margin",
        type=float,
        default=0.1,
        metavar="X",
        help="alike: the share of preferences is within X of 0.5 (default 0.1)",
    )
    parser.add_argument("--host", default=HOST, metavar="ADDRESS", help=f"address that is served (default {HOST})")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port that is served (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the page's address and open no browser")
    parser.add_argument("--summary", action="store_true", help="show what all answers are worth, and ask nothing")
    parser.add_argument(
        "--width", type=float, default=0.5, metavar="X", help="wanted width of the scores' intervals (default 0.5)"
    )
    parser.add_argument(
        "--output", metavar="DIR", help="where labels/ and pairs.csv go, above all images (default: SOURCE)"
    )
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Serve the page until it is ended, or print the summary."""
    if args.summary:
        return _summarize(args)
    if args.rater is None:
        raise ValueError("--rater: expected the name of who answers, got none; for example --rater ann")
    if not 0 <= args.port <= 65535:
        raise ValueError(f"--port: expected 0 to 65535, got {args.port}; 0 takes a free one")
    from iqa_sr.labeling.server import kept_token, serve
    from iqa_sr.labeling.session import open_session
    from iqa_sr.runtime.command_line import command_text

    session = open_session(
        args.sources,
        args.rater,
        mode=args.mode,
        order=args.order,
        seed=args.seed,
        count=args.count,
        checkpoints=args.checkpoints,
        until=args.until,
        margin=args.margin,
        width=args.width,
        output=args.output,
        command=command_text(["iqa-sr", *args.argv]),
    )
    with session:
        print(f"labels go to {session.folder}")
        for note in session.notes:
            print(f"  note: {note}")
        if args.host not in (HOST, "localhost", "::1"):
            print(
                f"warning: --host {args.host}: whoever reaches this machine and has the address with its token sees "
                "the images and can answer; nothing is encrypted",
                file=sys.stderr,
            )
        session.prepare_ahead()
        serve(session, args.host, args.port, not args.no_browser, token=kept_token(session.folder / "token"))
        if session.progress().finished:
            print("\n".join(session.summary()))
    return 0


def _summarize(args: argparse.Namespace) -> int:
    from iqa_sr.labeling.derived_files import write_all
    from iqa_sr.labeling.sources import labels_root
    from iqa_sr.labeling.summary import summary_lines

    root = labels_root(args.sources, args.output)
    lines = summary_lines(root, args.width, _until(args))
    for note in write_all(args.sources, root):
        print(f"  note: {note}")
    print("\n".join(lines))
    return 0


def _until(args: argparse.Namespace) -> "Until | None":
    from iqa_sr.labeling.worth import Until

    if args.until is None:
        return None
    if len(args.checkpoints) != 2:
        raise ValueError("--until: two checkpoints are told apart; name them with --checkpoints A B")
    return Until((args.checkpoints[0], args.checkpoints[1]), args.until, args.margin)
