"""Groups labeled by simulated raters, to a training whose sampler takes what the majority prefers.

Raters answer the page's questions about the sample data set: by a hidden metric, with Thurstone's noise. What counts:
the data set has the labels that were given, by majority, and the samplers `positives` and `softmax-positives` train on
them and take no other ground truths.

    python benchmarks/labels.py --part sampler
"""

import argparse
import os
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from iqa_sr.cli.main import main as iqa_sr
from iqa_sr.cli.train import main as train
from iqa_sr.data.answers.records import Choice, Question
from iqa_sr.data.creation.sample_dataset import make_sample
from iqa_sr.data.multi_gt.hggt_labels import majority
from iqa_sr.data.multi_gt.layouts import GroundTruthOptions
from iqa_sr.data.multi_gt.manifest import Manifest, read_manifest
from iqa_sr.data.multi_gt.records import Label
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.labeling.session import open_session
from iqa_sr.metrics import create_metric
from iqa_sr.samplers import build_sampler

ROOT = Path(__file__).parents[1]
RATERS = ("A", "B", "C")
TASTE = "jod-lite"
NOISE = 0.15  # of each sight of an image, in the metric's unit
SIMILAR = 0.1  # difference below which a version is similar to its original
SAMPLERS = ("positives", "softmax-positives")
DRAWS = 20


class Rater:
    """Somebody who goes by a metric, with noise.

    Args:
        scores: The metric's scores by the images' keys.
        seed: Seed of the noise.
    """

    def __init__(self, scores: Mapping[str, float], seed: int) -> None:
        self.scores, self.chance = scores, random.Random(seed)

    def choice(self, question: Question) -> Choice:
        """The answer to a question; of a known pair the right one, for its degraded copy has no score."""
        if question.purpose == "known":
            return "first"
        difference = self._sight(question.first) - self._sight(question.second)
        return "same" if abs(difference) < SIMILAR else "first" if difference > 0 else "second"

    def _sight(self, key: str) -> float:
        return self.scores[key] + self.chance.gauss(0, NOISE)


def add_arguments(parser: Any) -> None:
    """Add the arguments of this part."""
    parser.add_argument("--sampler-groups", type=int, default=24, metavar="N", help="groups of the sample (default 24)")
    parser.add_argument("--sampler-iterations", type=int, default=20, metavar="N", help="of a training (default 20)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Label, read the labels back, draw ground truths, train."""
    with tempfile.TemporaryDirectory() as folder, _inside(Path(folder)):
        make_sample("sample")
        data = Path("sample/train")
        kept = _keep(data, args.sampler_groups)
        given = _label(data)
        manifest = read_manifest(GroundTruthOptions(dataroot_gt=(data,)), progress=False)
        labels = {one.path: one.label for record in manifest.records for one in record.ground_truths if one.label}
        expected = {key: majority(votes) for key, votes in given.items()}
        found: dict[str, Any] = {
            "groups": kept,
            "labels": len(labels),
            "as given": len(labels) == len(expected) and all(labels[key] is label for key, label in expected.items()),
            "positives": sum(label is Label.POSITIVE for label in labels.values()),
        }
        if iqa_sr(["score", str(data), "--metric", "niqe", "--output", "scores.csv", "--quiet"]):
            raise RuntimeError("the sample data set could not be scored")
        for name in SAMPLERS:
            options = {"type": name} | ({"scores": "scores.csv", "metric": "niqe"} if name.startswith("soft") else {})
            found[f"{name}: draws that nobody preferred"] = _wrong_draws(options, manifest)
            found[f"{name}: trained"] = _train(name, options, args.sampler_iterations)
    for name, value in found.items():
        print(f"{name}: {value}")
    return found


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _keep(data: Path, groups: int) -> int:
    """Remove all groups but some, evenly spread; returns how many are left."""
    names = sorted(path.stem for path in (data / "original").glob("*.png"))
    kept = set(names[:: max(1, len(names) // groups)][:groups])
    for path in data.glob("*/*.png"):
        if path.stem not in kept and path.stem.rpartition("_")[0] not in kept:
            path.unlink()
    return len(kept)


def _label(data: Path) -> dict[str, list[Label]]:
    """All raters answer everything; returns the labels that they gave, by the versions' keys."""
    metric = create_metric(TASTE)
    keys = [path.relative_to(data).as_posix() for path in sorted(data.glob("*/*.png"))]
    scores = {key: float(metric(to_tensor(read_image(data / key))[None])) for key in tqdm(keys, "hidden scores")}
    words = {"first": Label.POSITIVE, "same": Label.SIMILAR, "second": Label.NEGATIVE}
    given: dict[str, list[Label]] = {}
    for seed, name in enumerate(tqdm(RATERS, "raters")):
        rater = Rater(scores, seed)
        with open_session([data], name, seed=seed) as session:
            while (question := session.current()) is not None:
                choice = rater.choice(question)
                session.answer(question.number, choice, 1.0)
                if question.purpose == "asked":
                    given.setdefault(question.first, []).append(words[choice])
    return given


def _wrong_draws(options: Mapping[str, Any], manifest: Manifest) -> int:
    """Number of ground truths that the sampler takes and the majority has not preferred, where it has preferred any."""
    sampler = build_sampler(options)
    sampler.check(manifest.records)
    generator = torch.Generator().manual_seed(0)
    return sum(
        index not in record.positives
        for record in manifest.records
        if record.positives
        for _ in range(DRAWS)
        for index in sampler.shortlist(record, generator).indices
    )


def _train(name: str, options: Mapping[str, Any], iterations: int) -> bool:
    sampler = "{" + ", ".join(f"{key}: {value}" for key, value in options.items()) + "}"
    changes = ["datasets:train:dataroot_gt=sample/train", "datasets:val:dataroot_gt=sample/val", "num_gpu=0"]
    changes += [f"name={name}", f"train:total_iter={iterations}", f"datasets:train:sampler={sampler}"]
    changes += [f"val:val_freq={iterations}", f"logger:save_checkpoint_freq={iterations}"]
    train(["-opt", str(ROOT / "options" / "swinir_amo.yml"), "--quiet", "--force_yml", *changes])
    return Path(f"experiments/{name}/models/net_g_{iterations}.pth").is_file()
