"""Every architecture: trains, with LoRA `auto`, merges, reloads, exports? Prints the table of docs/architectures.md.

    python benchmarks/architectures.py [--networks Compact HAT ...] [--steps 6] [--no_onnx]

Small random networks: what is counted and compared does not depend on their size; the step times are ratios, LoRA's to
those of full fine-tuning, turn by turn in one process. A network trains if one batch gives every trained layer that
takes part a finite gradient. Errors are largest differences on noise, divided by the largest result: `merge` between
the network with its updates and the plain one that they were merged into, `reload` between that one and what spandrel
opens from its file.
"""

import argparse
import copy
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()

import torch  # noqa: E402
from spandrel import ModelLoader  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from iqa_sr.archs.folded_layers import fold  # noqa: E402
from iqa_sr.archs.spandrel_loader import spandrel_facts  # noqa: E402
from iqa_sr.export import onnx_result  # noqa: E402
from iqa_sr.lora.injection import LoRAOptions, inject, merged_state  # noqa: E402
from iqa_sr.lora.layers import adapted_layers  # noqa: E402
from tests.helpers.spandrel_networks import SMALL, small_network  # noqa: E402

COLUMNS = ("architecture", "parameters", "trains", "LoRA layers", "merge", "reload", "step LoRA/full", "ONNX")
SIDE = 32


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(SMALL), choices=list(SMALL), metavar="NAME")
    parser.add_argument("--steps", type=int, default=6, help="steps that are timed of each way to train")
    parser.add_argument("--no_onnx", action="store_true", help="leave that column out")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    columns = COLUMNS[:-1] if args.no_onnx else COLUMNS
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    for name in args.networks:
        print(f"| {' | '.join(row(name, args.steps, not args.no_onnx))} |", flush=True)


def row(name: str, steps: int, onnx: bool) -> list[str]:
    """One architecture's cells."""
    network = small_network(name)
    parameters = f"{sum(one.numel() for one in network.parameters()):,}"
    lora = copy.deepcopy(network)
    inject(lora, LoRAOptions(preset="auto", rank=4))
    ratio, trains = step_times(network.train(), lora.train(), steps)
    fold(lora)
    lora.eval()
    merged = merged_state(lora)
    plain = small_network(name)
    plain.load_state_dict(merged)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        file = Path(folder) / "merged.pth"
        torch.save({"params": merged}, file)
        opened = ModelLoader().load_from_file(file)
        result = lora(noise(1))
        merge = difference(result, plain(noise(1)))
        reload = difference(plain(noise(1)).clamp(0, 1), opened(noise(1)))
    cells = [name, parameters, trains, str(len(list(adapted_layers(lora)))), f"{merge:.0e}", f"{reload:.0e}", ratio]
    if onnx:
        facts = spandrel_facts(plain)
        assert facts is not None
        cells.append(onnx_result(plain, scale=facts.scale, multiple_of=facts.multiple_of, minimum=facts.minimum))
    return cells


def step_times(full: nn.Module, lora: nn.Module, steps: int) -> tuple[str, str]:
    """Ratio of the median times of a step; whether both train."""
    seconds: dict[nn.Module, list[float]] = {full: [], lora: []}
    optimizers = {
        network: torch.optim.Adam([one for one in network.parameters() if one.requires_grad], lr=1e-3)
        for network in seconds
    }
    finite = True
    for number in range(steps + 1):
        for network, optimizer in optimizers.items():
            start = time.perf_counter()
            optimizer.zero_grad()
            network(noise(2)).square().mean().backward()
            optimizer.step()
            if number:  # the first one warms up
                seconds[network].append(time.perf_counter() - start)
            gradients = [one.grad for one in network.parameters() if one.grad is not None]
            finite &= bool(gradients) and all(bool(one.isfinite().all()) for one in gradients)
    medians = [statistics.median(seconds[network]) for network in (lora, full)]
    return f"{medians[0] / medians[1]:.2f}", "yes" if finite else "no: a gradient is not finite"


def noise(count: int) -> Tensor:
    """`(count, 3, 32, 32)` in [0, 1]."""
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def difference(one: Tensor, other: Tensor) -> float:
    """Largest difference, divided by the largest value."""
    return float((one - other).abs().max() / one.abs().max())


if __name__ == "__main__":
    main()
