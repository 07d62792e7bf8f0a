"""Groups that simulated raters have labeled, and what the samplers `positives` and `softmax-positives` take of them.

Three raters compare each version of procedural photographs with its original, in sessions as `iqa-sr label` opens them.
Their hidden taste is detail that is there, noise that is not wanted, and Thurstone's noise on top. What counts: the
labels are the majority of what was answered, and both samplers take nothing but the preferred; a training runs on them.

    python benchmarks/labels.py --part sampler
"""

import argparse
import os
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from iqa_sr.cli.main import main as iqa_sr
from iqa_sr.data.answers.log import LABELS, read_logs
from iqa_sr.data.answers.records import Choice, Question
from iqa_sr.data.creation.enhanced_gts import make_gts
from iqa_sr.data.creation.procedural import procedural_image
from iqa_sr.data.multi_gt.hggt_labels import majority
from iqa_sr.data.multi_gt.records import Label
from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset
from iqa_sr.io.images import write_image
from iqa_sr.labeling.pixels import read_pixels
from iqa_sr.labeling.session import LabelSession, open_session

__all__ = ["add_arguments", "run"]

RATERS = ("a", "b", "c")
SIDE = 192
NOISE, SIMILAR = 0.25, 0.15  # of the taste's unit
LABEL_OF = {"first": Label.POSITIVE, "same": Label.SIMILAR, "second": Label.NEGATIVE}


def add_arguments(parser: Any) -> None:
    parser.add_argument("--groups", type=int, default=16, metavar="N", help="photographs (default 16)")
    parser.add_argument("--draws", type=int, default=400, metavar="N", help="samples of each sampler (default 400)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        for seed in range(args.groups):
            write_image(Path(folder) / "photographs" / f"p{seed:02}.png", procedural_image(seed, SIDE))
        make_gts(Path(folder) / "photographs", root, progress=False)
        answers = sum(label(root, rater) for rater in RATERS)
        found = {"answers": answers, "votes": compare_votes(root), "draws": {}}
        scores = Path(folder) / "scores.csv"
        check(iqa_sr(["score", str(root), "--metric", "niqe", "--output", str(scores), "--quiet"]) == 0, "iqa-sr score")
        softmax = {"type": "softmax-positives", "scores": str(scores), "metric": "niqe", "normalize": True}
        for sampler in ({"type": "positives"}, softmax):
            found["draws"][sampler["type"]] = draw(root, sampler, args.draws)
        found["trained"] = train(Path(folder), root, softmax)
    print(f"{answers} answers of {len(RATERS)} raters about {args.groups} groups")
    print(f"the labels that training reads are the majority of the answers: {found['votes']}")
    for name, labels in found["draws"].items():
        print(f"{name}: {args.draws} draws, by label: {labels}")
    print(f"a training of 4 iterations with softmax-positives: {'ran' if found['trained'] else 'failed'}")
    check(bool(found["votes"] and found["trained"]), "labels are the votes, and a training runs on them")
    check(all(set(labels) == {"Positive"} for labels in found["draws"].values()), "only positives are drawn")
    return found


def label(root: Path, rater: str) -> int:
    """Answer a whole session; returns the number of answers."""
    chance = random.Random(rater)
    with open_session([root], rater) as session:
        while (question := session.current()) is not None:
            session.answer(question.number, choose(session, question, chance), 1.0)
        return session.progress().answered


def choose(session: LabelSession, question: Question, chance: random.Random) -> Choice:
    first, second = (
        taste(read_pixels(session.collection.root, key)) + chance.gauss(0, NOISE)
        for key in (question.first, question.second)
    )
    return "same" if abs(first - second) < SIMILAR else "first" if first > second else "second"


def taste(pixels: np.ndarray) -> float:
    """Hidden taste: detail up to a point, beyond which an image looks harsh."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = np.log(np.abs(gray - cv2.GaussianBlur(gray, (0, 0), 1.5)).mean() + 0.1)
    return float(3 * min(detail, 2.2) - 6 * max(detail - 2.2, 0))


def compare_votes(root: Path) -> bool:
    """Whether the labels that training reads are the majority of what the logs hold."""
    votes: dict[tuple[str, str], list[Label]] = {}
    for log in read_logs(root / LABELS):
        for answer in log.answers:
            if answer.question.purpose == "asked":
                key = answer.question.content, answer.question.first_version
                votes.setdefault(key, []).append(LABEL_OF[answer.choice])
    records = dataset(root, {"type": "positives"})
    labels = {
        (record.name, gt.folder): gt.label
        for record in (*records.records, *records.dropped)
        for gt in record.ground_truths[1:]
    }
    return labels == {key: majority(given) for key, given in votes.items()}


def dataset(root: Path, sampler: dict[str, Any]) -> MultiGTDataset:
    options = {"name": "data", "type": "MultiGTDataset", "phase": "train", "scale": 2, "dataroot_gt": str(root)}
    options |= {"gt_size": 32, "sampler": sampler, "batch_size_per_gpu": 4, "num_worker_per_gpu": 0}
    return MultiGTDataset(options)


def draw(root: Path, sampler: dict[str, Any], draws: int) -> dict[str, int]:
    """How often the ground truth that is taken has each label."""
    data = dataset(root, sampler)
    found: Counter[str] = Counter()
    for seed in range(draws):
        torch.manual_seed(seed)
        sample = data[seed % len(data.records)]
        record = data.records[seed % len(data.records)]
        for index in sample["gts_index"][sample["gts_valid"]].tolist():
            label_of = record.ground_truths[index].label
            found[label_of.value if label_of else "none"] += 1
    return dict(found)


def train(folder: Path, root: Path, sampler: dict[str, Any]) -> bool:
    """Train a tiny network for a few iterations."""
    options = f"""
name: labels
model_type: IQASRModel
scale: 2
num_gpu: 0
datasets:
  train: {{name: train, type: MultiGTDataset, dataroot_gt: {root}, gt_size: 32, batch_size_per_gpu: 2,
          num_worker_per_gpu: 0, degradation: {{type: bicubic}},
          sampler: {{type: {sampler["type"]}, scores: {sampler["scores"]}, metric: niqe, normalize: true}}}}
network_g: {{type: SwinIR, upscale: 2, img_size: 16, window_size: 4, depths: [2], embed_dim: 8, num_heads: [2],
            mlp_ratio: 2, upsampler: pixelshuffledirect}}
path: {{experiments_root: {folder / "experiments"}}}
train:
  total_iter: 4
  optim_g: {{type: Adam, lr: !!float 1e-4}}
  scheduler: {{type: MultiStepLR, milestones: [4], gamma: 0.5}}
  pixel_opt: {{type: L1Loss}}
logger: {{print_freq: 2, save_checkpoint_freq: 4, use_tb_logger: false}}
"""
    file = folder / "options.yml"
    file.write_text(options, encoding="utf-8", newline="\n")
    before = os.getcwd()
    os.chdir(folder)
    try:
        return iqa_sr(["train", "-opt", str(file)]) == 0
    finally:
        os.chdir(before)


def check(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"failed: {what}")
