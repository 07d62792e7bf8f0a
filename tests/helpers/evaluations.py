"""`iqa-sr evaluate` as the tests call it, and what it has written."""

from pathlib import Path

from iqa_sr.cli.main import main
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.scores.score_table import ScoreTable

RUN = Path("results/run")
COMMAND = ["evaluate", "net.pth", "--data", "set=data", "--output", str(RUN), "--device", "cpu"]
METRICS = ["--metric", "psnr,jod-lite"]


def result(label, key, folder=RUN):
    """An image that was written: `(1, 3, H, W)`."""
    return to_tensor(read_image(folder / "images" / label / "set" / f"{key}.png"))[None]


def truth(version, key):
    """A ground truth, cut to a multiple of the scale."""
    name = f"{key}.png" if version == "original" else f"{key}_{version}.png"
    return to_tensor(read_image(Path("data/images") / version / name))[None, :, :32, :32]


def lq(key):
    """The LQ image that the command makes of the original: `(1, 3, 16, 16)`, 8 bit."""
    return resize_bicubic(truth("original", key), 16, 16).clamp(0, 1).mul(255).round().div(255)


def scores(folder=RUN):
    """Scores by checkpoint, image, reference and metric."""
    return {row[:4]: row.score for row in ScoreTable.read(folder / "scores.csv").rows}


def error(capsys, *args):
    """Text of the one clear error that the command ends with."""
    assert main(list(args)) == 1
    logged, _, shown = capsys.readouterr().err.partition("error: ")
    assert shown and "Traceback" not in logged + shown and len(shown.splitlines()) <= 5
    return shown
