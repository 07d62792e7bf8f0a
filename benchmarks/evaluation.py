"""Speed of the evaluation of a checkpoint against that of a plain loop: read, upscale, write, score, next.

The loop is no straw man: its metrics are built once, and torch has all its threads. That both have the same scores is
checked.

python benchmarks/evaluation.py [--images 50] [--rounds 3] [--metric psnr,ssim,niqe,jod-lite] [--checkpoint FILE]
"""

import argparse
import shutil
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()

import torch  # noqa: E402

from iqa_sr.basicsr_compat import build_network, patch_basicsr  # noqa: E402
from iqa_sr.checkpoint.loading import LoadedNetwork, load_network  # noqa: E402
from iqa_sr.data.creation.sample_dataset import make_sample  # noqa: E402
from iqa_sr.evaluation.datasets import DatasetSpec, EvaluationSet, open_set  # noqa: E402
from iqa_sr.evaluation.evaluator import Evaluator, InferenceConfig  # noqa: E402
from iqa_sr.evaluation.run import join_scores, prepare_folder  # noqa: E402
from iqa_sr.evaluation.scores import ImageScorer  # noqa: E402
from iqa_sr.inference.tiling import upscale  # noqa: E402
from iqa_sr.io.image_stores import list_images  # noqa: E402
from iqa_sr.io.image_tensors import to_array  # noqa: E402
from iqa_sr.io.images import write_image  # noqa: E402
from iqa_sr.scores.result_folder import CheckpointFacts, DataSetFacts, RunFacts  # noqa: E402
from iqa_sr.scores.score_table import ScoreRow, ScoreTable  # noqa: E402

# The network of options/swinir_amo.yml, which the sample run trains.
NETWORK = {"type": "SwinIR", "upscale": 2, "img_size": 48, "window_size": 8, "img_range": 1.0, "depths": [2, 2]}
NETWORK |= {"embed_dim": 24, "num_heads": [2, 2], "mlp_ratio": 2, "upsampler": "pixelshuffledirect"}


def make_images(root: Path, count: int) -> Path:
    make_sample(root / "sample", progress=False)
    for number, path in enumerate(list_images(root / "sample" / "train" / "original") * 50):
        if number == count:
            break
        (root / "data").mkdir(exist_ok=True)
        shutil.copy(path, root / "data" / f"{number:03}.png")
    return root / "data"


def checkpoint(root: Path) -> Path:
    patch_basicsr()
    torch.manual_seed(0)
    torch.save({"params": build_network(dict(NETWORK)).state_dict()}, root / "net.pth")
    return root / "net.pth"


@torch.no_grad()
def plain_loop(folder: Path, data: EvaluationSet, scorer: ImageScorer, loaded: LoadedNetwork) -> ScoreTable:
    table = ScoreTable(scorer.facts())
    for number, record in enumerate(data.records):
        image = data.read(number, gts=(0,))
        levels = upscale(loaded.network, image.lq, tile=None, dtype=torch.uint8, **loaded.sizes)
        write_image(folder / f"{record.name}.png", to_array(levels[0]))
        wanted = tuple(scorer.wanted("net", record))
        found = scorer.scores(levels.float().div(255), image, record, wanted)
        table.append(
            ScoreRow("net", f"set/{record.name}", key, metric, score) for (metric, key), score in found.items()
        )
    return table


def evaluation(folder: Path, data: EvaluationSet, scorer: ImageScorer, loaded: LoadedNetwork) -> ScoreTable:
    facts = CheckpointFacts(path="net.pth", sha256="0" * 64, architecture=loaded.architecture)
    run = RunFacts(
        scale=loaded.scale, datasets={"set": DataSetFacts(images=len(data.records))}, checkpoints={"net": facts}
    )
    prepare_folder(folder, run, scorer.facts())
    evaluator = Evaluator(folder, [data], scorer, InferenceConfig(torch.device("cpu")))
    evaluator.checkpoint("net", lambda: loaded, progress=False)
    return join_scores(folder)


def seconds(work: partial[ScoreTable]) -> tuple[float, dict[tuple[str, ...], float]]:
    began = time.perf_counter()
    table = work()
    return time.perf_counter() - began, {row[:4]: row.score for row in table.rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--metric", default="psnr,ssim,niqe,jod-lite")
    parser.add_argument("--checkpoint", type=Path, help="default: the network of options/swinir_amo.yml, untrained")
    args = parser.parse_args()
    scorer = ImageScorer(tuple(args.metric.split(",")))
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        loaded = load_network(args.checkpoint or checkpoint(root))
        data = open_set(DatasetSpec("set", make_images(root, args.images)), loaded.scale, progress=False)
        print(f"{len(data.records)} images, {torch.get_num_threads()} threads, {loaded.architecture}, {args.metric}")
        ratios = []
        for number in range(args.rounds + 1):
            plain, expected = seconds(partial(plain_loop, root / f"plain{number}", data, scorer, loaded))
            ours, found = seconds(partial(evaluation, root / f"ours{number}", data, scorer, loaded))
            worst = max(abs(found[key] - score) / max(abs(score), 1e-6) for key, score in expected.items())
            assert found.keys() == expected.keys() and worst < 1e-4, worst
            if number:  # the first round warms up
                ratios.append(plain / ours)
                print(
                    f"plain loop {plain:.1f} s, evaluation {ours:.1f} s: {plain / ours:.2f} times as fast", flush=True
                )
        print(f"median: {statistics.median(ratios):.2f} times as fast")


if __name__ == "__main__":
    main()
