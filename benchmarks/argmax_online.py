"""A training step with argmax-online ground truths against one with uniform ones, data loading included.

    python benchmarks/argmax_online.py [-opt options/swinir_amo.yml] [--steps 60]

Both runs live in one process and take turns, so that a machine that slows down slows both.
"""

import argparse
import statistics
import time

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()

import torch  # noqa: E402

from iqa_sr import plugin  # noqa: E402
from iqa_sr.training.loop import build_run  # noqa: E402
from iqa_sr.training.run_config import RunConfig  # noqa: E402


class Steps:
    """The steps of one run, one at a time."""

    def __init__(self, option_file: str, sampler: str) -> None:
        plugin.register()
        config = RunConfig.from_yaml(option_file, (f"datasets:train:sampler={sampler}",))
        self.run = build_run(config, config.basicsr_opt(cuda_devices=torch.cuda.device_count()))
        self.batches = self.run.cursor.batches()
        self.iteration = 0

    def seconds(self) -> float:
        began = time.perf_counter()
        batch = next(self.batches)
        self.iteration += 1
        self.run.model.feed_data(batch)
        self.run.model.optimize_parameters(self.iteration)
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-opt", default="options/swinir_amo.yml")
    parser.add_argument("--metric", default="niqe")
    parser.add_argument("--steps", type=int, default=60)
    args = parser.parse_args()
    argmax = Steps(args.opt, f"{{type: argmax-online, metric: {args.metric}}}")
    uniform = Steps(args.opt, "{type: uniform}")
    for steps in (argmax, uniform):
        for _ in range(5):
            steps.seconds()
    pairs = [(argmax.seconds(), uniform.seconds()) for _ in range(args.steps)]
    medians = [statistics.median(values) for values in zip(*pairs, strict=True)]
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"argmax-online {medians[0]:.3f} s, uniform {medians[1]:.3f} s a step: ratio {ratio:.2f} (median of pairs)")


if __name__ == "__main__":
    main()
