"""The README's strip of crops and its table: LQ, L1, argmax-online, fine-tuned, GT, on the sample's validation images.

    python benchmarks/sample_run.py                    # trains what is missing: a quarter of an hour on two quiet cores
    python benchmarks/sample_run.py --networks L1=net_l1.pth argmax-online=net_amo.pth --data datasets/sample/val

Evaluates the networks into results/sample_run, writes docs/images/sample.png, and both into README.md, which `--readme`
and `--strip` name otherwise. `datasets/sample` is made by the first training, or by `iqa-sr make-sample`.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from iqa_sr.cli.main import main as iqa_sr
from iqa_sr.degradations.pipelines import build_degradation
from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.scores.result_folder import image_file, read_run
from iqa_sr.scores.score_table import ScoreTable

AMO = ["-opt", "options/swinir_amo.yml"]
RUNS = {
    "L1": ("swinir_l1", [*AMO, "--force_yml", "name=swinir_l1", "datasets:train:sampler={type: original}"]),
    "argmax-online": ("swinir_amo", AMO),
    "fine-tuned": ("swinir_amo_ft", ["-opt", "options/swinir_amo_ft.yml"]),
}
METRICS = {"jod-lite": "↑", "niqe": "↓", "cvvdp": "JOD ↑", "psnr": "dB ↑", "ssim": "↑"}
SIDE, FACTOR, LABEL = 96, 2, 16  # px: of a crop, its enlargement, the line of text above it


def trained() -> dict[str, str]:
    """The networks of the three runs by label; what is missing is trained."""
    for name, arguments in RUNS.values():
        if not Path(f"experiments/{name}/models/net_g_latest.pth").is_file():
            subprocess.run([sys.executable, "train_sr.py", *arguments], check=True)
    return {label: f"experiments/{name}/models/net_g_latest.pth" for label, (name, _) in RUNS.items()}


def crop_of(bicubic: np.ndarray, original: np.ndarray) -> tuple[int, int]:
    """Row and column of the crop in which bicubic upscaling is worst by its squared error."""
    error = np.square(bicubic.astype(float) - original).sum(-1)
    total = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[SIDE:, SIDE:] - total[:-SIDE, SIDE:] - total[SIDE:, :-SIDE] + total[:-SIDE, :-SIDE]
    row, column = np.unravel_index(sums.argmax(), sums.shape)
    return int(row), int(column)


def downscaled(original: Image.Image, scale: int) -> Image.Image:
    """The LQ, as the evaluation makes it."""
    image = to_tensor(np.asarray(original)).unsqueeze(0)
    lq = build_degradation({"type": "bicubic"}, scale)(image, torch.zeros(1, dtype=torch.int64))
    return Image.fromarray(to_uint8(lq[0]))


def strip(folder: Path, labels: list[str]) -> Image.Image:
    """A row of crops for each image: the pixels of the LQ, each network, the original."""
    facts = read_run(folder)
    (dataset,), scale = facts.datasets, facts.scale
    keys = sorted(path.stem for path in (folder / "images" / "original" / dataset).glob("*.png"))
    titles = ["LQ", *labels, "GT"]
    edge = SIDE * FACTOR
    page = Image.new("RGB", (len(titles) * (edge + 4) - 4, len(keys) * (edge + 4) + LABEL), "white")
    for column, title in enumerate(titles):
        ImageDraw.Draw(page).text((column * (edge + 4), 1), title, fill="black")
    for row, key in enumerate(keys):
        read = {one: np.asarray(Image.open(image_file(folder, one, dataset, key))) for one in ("bicubic", "original")}
        top, left = (position // scale * scale for position in crop_of(read["bicubic"], read["original"]))
        box = (left, top, left + SIDE, top + SIDE)
        for column, title in enumerate(titles):
            label = "original" if title in ("LQ", "GT") else title
            crop = Image.open(image_file(folder, label, dataset, key))
            crop = downscaled(crop, scale) if title == "LQ" else crop
            crop = crop.crop([side // scale for side in box] if title == "LQ" else box)
            crop = crop.resize((edge, edge), Image.Resampling.NEAREST)
            page.paste(crop, (column * (edge + 4), LABEL + row * (edge + 4)))
    return page


def markdown(table: ScoreTable, labels: list[str]) -> str:
    """The mean of each metric, a row for each network."""
    rows = [("", *(f"{name} {sign}" for name, sign in METRICS.items())), ("---",) * (len(METRICS) + 1)]
    for label in ("bicubic", *labels):
        means = (table.mean(label, name) for name in METRICS)
        rows.append((label, *("" if mean is None else f"{mean:.3f}" for mean in means)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def fill(readme: Path, kind: str, content: str) -> None:
    """Replace what stands between `<!-- sample: KIND -->` and `<!-- end -->`."""
    text = readme.read_text(encoding="utf-8")
    marked = re.compile(rf"(<!-- sample: {kind} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert len(marked.findall(text)) == 1, f"{readme}: expected one <!-- sample: {kind} -->"
    readme.write_text(
        marked.sub(lambda match: f"{match[1]}\n{content}\n\n{match[2]}", text), encoding="utf-8", newline="\n"
    )


def main() -> int:
    """Train the networks that are missing, evaluate them, and write the README's strip and table."""
    parser = argparse.ArgumentParser(description="The README's strip and table of the sample run.")
    parser.add_argument("--networks", nargs="+", metavar="LABEL=FILE", help="default: those of the three runs")
    parser.add_argument("--data", default="datasets/sample/val", metavar="DIR", help="ground truths")
    parser.add_argument("--output", type=Path, default=Path("results/sample_run"), metavar="DIR")
    parser.add_argument("--strip", type=Path, default=Path("docs/images/sample.png"), metavar="FILE")
    parser.add_argument("--readme", type=Path, default=Path("README.md"), metavar="FILE")
    args = parser.parse_args()
    networks = dict(one.split("=", 1) for one in args.networks) if args.networks else trained()
    checkpoints = [f"{label}={file}" for label, file in networks.items()]
    metrics = ["--metric", ",".join(METRICS), "--output", str(args.output)]
    if iqa_sr(["evaluate", *checkpoints, "--data", f"sample={args.data}", *metrics]):
        return 1
    labels = list(networks)
    args.strip.parent.mkdir(parents=True, exist_ok=True)
    strip(args.output, labels).save(args.strip, optimize=True)
    fill(args.readme, "strip", f"![Crops: LQ, {', '.join(labels)}, GT]({args.strip.as_posix()})")
    fill(args.readme, "table", markdown(ScoreTable.read(args.output / "scores.csv"), labels))
    return 0


if __name__ == "__main__":
    sys.exit(main())
