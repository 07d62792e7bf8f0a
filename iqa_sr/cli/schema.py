"""`iqa-sr schema`: the JSON Schema of option files, for editors."""

import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the output file."""
    parser.add_argument("--output", default="schema.json", metavar="FILE", help="default: schema.json; replaced")


def run(args: argparse.Namespace) -> int:
    """Write the schema; an editor with YAML support reads it through the first line of the recipes."""
    import json

    from iqa_sr.io.files import atomic_write
    from iqa_sr.training.option_schema import option_schema

    atomic_write(args.output, json.dumps(option_schema(), indent=1, ensure_ascii=False).encode())
    print(f"wrote {args.output}; option files name it in a line  # yaml-language-server: $schema={args.output}")
    return 0
