"""Files that the loader opens by sampler, and its memory after many samples against after few.

python benchmarks/loader.py [--samples 2000]
"""

import argparse
import resource
import sys
import tempfile
from collections import Counter
from pathlib import Path

from iqa_sr.data.creation.sample_dataset import make_sample
from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset
from iqa_sr.scores.scoring import score_images

FILES: Counter[str] = Counter()


def _count(event: str, arguments: tuple) -> None:
    if event == "open" and str(arguments[0]).endswith(".png"):
        FILES["opened"] += 1


def dataset(root: Path, sampler: dict) -> MultiGTDataset:
    options = {
        "name": "sample",
        "type": "MultiGTDataset",
        "phase": "train",
        "scale": 2,
        "dataroot_gt": str(root),
        "gt_size": 96,
        "sampler": sampler,
        "batch_size_per_gpu": 1,
    }
    return MultiGTDataset(options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000)
    args = parser.parse_args()
    sys.addaudithook(_count)
    with tempfile.TemporaryDirectory() as temporary:
        make_sample(Path(temporary) / "sample")
        root, scores = Path(temporary) / "sample" / "train", Path(temporary) / "scores.csv"
        score_images(root, ["niqe"], scores)
        samplers = [
            {"type": "original"},
            {"type": "uniform"},
            {"type": "softmax-all", "metric": "niqe", "scores": str(scores)},
            {"type": "argmax-online", "metric": "niqe"},
        ]
        for sampler in samplers:
            data = dataset(root, sampler)
            FILES.clear()
            for index in range(200):
                data[index % len(data)]
            few = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            opened = FILES["opened"] / 200
            for index in range(args.samples):
                data[index % len(data)]
            many = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(
                f"{sampler['type']:14} {opened:.2f} files a sample; peak memory after {200 + args.samples} samples / "
                f"after 200: {many / few:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
