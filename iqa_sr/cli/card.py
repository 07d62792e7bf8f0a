"""`iqa-sr card`: a model card of an experiment, and what a person has to add to it."""

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: experiment, checkpoint, further scores, what is stated, output."""
    parser.add_argument("experiment", metavar="EXPERIMENT", help="folder of a training, experiments/NAME")
    parser.add_argument(
        "--checkpoint",
        metavar="LABEL|FILE",
        help="latest, 5000, best_psnr, or a file (default: what `iqa-sr pick` has chosen, else latest)",
    )
    parser.add_argument(
        "--evaluation",
        dest="evaluations",
        action="append",
        default=[],
        metavar="DIR",
        help="result folder of `iqa-sr evaluate` with this checkpoint: further scores, and images; may be repeated",
    )
    parser.add_argument(
        "--set",
        dest="stated",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a key of the section `card` of the option file, as author=me or license=CC-BY-4.0; may be repeated",
    )
    parser.add_argument("--images", type=int, default=4, metavar="N", help="most images (default 4; 0: none)")
    parser.add_argument("--crop", type=int, default=256, metavar="PX", help="side of their details (default 256)")
    parser.add_argument("--output", metavar="DIR", help="folder of the card (default: card in the experiment)")
    parser.add_argument("--force", action="store_true", help="replace files there that a person has changed")


def run(args: argparse.Namespace) -> int:
    """Write the card, and list what it still lacks."""
    from iqa_sr.card.card import read_card
    from iqa_sr.card.openmodeldb import entry_problems, model_id
    from iqa_sr.card.output import ENTRY, PAGE, card_files, write_card
    from iqa_sr.config.option_files import apply_overrides
    from iqa_sr.io.json_files import parse_json

    if args.images < 0:
        raise ValueError(f"--images: expected at least 0, got {args.images}")
    if args.crop < 16:
        raise ValueError(f"--crop: expected at least 16 px, got {args.crop}")
    stated: dict[str, Any] = apply_overrides({}, [_in_section(entry) for entry in args.stated])
    card = read_card(args.experiment, args.checkpoint, args.evaluations, stated, args.images, args.crop)
    files = card_files(card)
    folder = Path(args.output) if args.output else Path(args.experiment) / "card"
    write_card(folder, files, args.force)
    scored = f"{len(card.scores)} table{'' if len(card.scores) == 1 else 's'} of scores" if card.scores else "no scores"
    print(f"wrote {folder / PAGE} and {ENTRY}: {card.model.path}, {scored}, {len(card.images.details)} images")
    if not card.images.details:
        print(f"  no images: {card.images.note}")
    entry = parse_json(files[ENTRY].decode())
    problems = entry_problems(entry)
    if problems:
        print(
            f"to fill in before {ENTRY} can be handed in as data/models/{model_id(entry['name'], entry['scale'])}.json:"
        )
        print("\n".join(f"  {problem}" for problem in problems))
    unstated = [part.field for part in card.licenses if part.field and not part.license]
    if unstated:
        print(f"not stated, and the card says so: {', '.join(unstated)}")
    return 0


def _in_section(entry: str) -> str:
    """An entry `KEY=VALUE`, also with the section's name in front."""
    key, equals, _ = entry.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"--set: expected KEY=VALUE, for example license=CC-BY-4.0, got {entry!r}")
    return entry.strip().removeprefix("card:")
