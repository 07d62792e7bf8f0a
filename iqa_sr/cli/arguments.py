"""Arguments that several commands share."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from iqa_sr.inference.tiling import Tile

__all__ = ["add_adapter_arguments", "add_quiet_argument", "read_device", "read_tile", "split_names"]


def add_adapter_arguments(parser: argparse.ArgumentParser, text: str, required: bool = False) -> None:
    """`--adapter DIR`, explained by `text`, and `--strength S` once for each."""
    parser.add_argument(
        "--adapter", dest="adapters", action="append", default=[], required=required, metavar="DIR", help=text
    )
    parser.add_argument(
        "--strength",
        dest="strengths",
        action="append",
        type=float,
        default=[],
        metavar="S",
        help="of each adapter in order: 0 is the base, 1 what was trained, at most 1.5 (default 1)",
    )


def add_quiet_argument(parser: argparse.ArgumentParser) -> None:
    """`--quiet`, of commands that show progress; `iqa_sr.cli.main` hides the bars, the command its status lines."""
    parser.add_argument(
        "--quiet", action="store_true", help="no progress bars and no status lines; results, warnings and errors stay"
    )


def split_names(text: str, flag: str = "--metric", known: str = "`iqa-sr metrics` lists them") -> tuple[str, ...]:
    """The names, separated by commas, that an argument has, each once.

    Args:
        text: Value of the argument.
        flag: Flag of the argument, named in the error message.
        known: Text on where valid names are found, for the error message.

    Raises:
        ValueError: If there is none.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise ValueError(f"{flag}: expected names separated by commas, got none; {known}")
    return names


def read_device(name: str | None, half: bool) -> "torch.device":
    """Device and precision of `--device` and `--half`; CUDA where there is one and nothing is asked for.

    Raises:
        ValueError: If there is no such device, or it cannot compute in half precision.
    """
    import torch

    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError:
        raise ValueError(f"--device: expected cpu, cuda or cuda:N, got {name}") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"--device: {device} asked for, {torch.cuda.device_count()} CUDA devices found")
    if half and device.type != "cuda":
        raise ValueError(f"--half: expected a CUDA device, got {device}; leave --half out")
    try:
        torch.empty(1, device=device)
    except (RuntimeError, NotImplementedError, AssertionError):  # which of them depends on the kind of device
        raise ValueError(f"--device: {device} asked for, which torch cannot use here; try cpu or cuda") from None
    return device


def read_tile(text: str, overlap: int) -> "Tile":
    """Tile of `--tile`, checked against `--overlap`: pixels, `auto`, or None for the whole image.

    Raises:
        ValueError: If a number is too small.
    """
    if overlap < 0:
        raise ValueError(f"--overlap: expected at least 0 px, got {overlap}")
    if text in ("auto", "none"):
        return "auto" if text == "auto" else None
    smallest = max(1, 2 * overlap)
    if not text.isdecimal() or int(text) < smallest:
        raise ValueError(
            f"--tile: expected auto, none or at least {smallest} px (twice --overlap {overlap}), got {text}"
        )
    return int(text)
