"""Images per second of metrics, against an installed pyiqa or ColorVideoVDP where there is one; ratios of one run.

    python benchmarks/metrics.py [--metric musiq arniqa topiq_nr] [--batch 1 8] [--crops 64] [--pyiqa DIR] [--loss]
    python benchmarks/metrics.py --metric cvvdp --side 128 --batch 64 --cvvdp DIR [--gradient]

All weights are synthetic, so nothing is downloaded: ours are written by the tests' makers, and the peer's networks are
built with random ones. `--pyiqa DIR` is a folder that pyiqa was installed into (`pip install --target DIR pyiqa`), and
`--cvvdp DIR` one with the package cvvdp and what it imports; `--gradient` times the backward pass with it. The two take
turns, batch by batch; the ratio is the peer's time over ours: above 1 we are quicker.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()
sys.path.insert(0, str(Path(__file__).parent.parent))

import torch  # noqa: E402
from memory import fresh_peak, peak  # noqa: E402
from torch import Tensor  # noqa: E402

from iqa_sr.losses.iqa_loss import IQALoss  # noqa: E402
from iqa_sr.metrics import create_metric, metric_info  # noqa: E402
from tests.synthetic import write_synthetic  # noqa: E402

SIDE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metric", nargs="+", default=["musiq", "arniqa", "topiq_nr", "clipiqa", "qualiclip"])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--crops", type=int, default=64)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--pyiqa", metavar="DIR")
    parser.add_argument("--cvvdp", metavar="DIR")
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--gradient", action="store_true", help="forward and backward instead of forward")
    parser.add_argument("--loss", action="store_true", help="also forward and backward of IQALoss on 8 crops")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sys.path[:0] = [folder for folder in (args.pyiqa,) if folder]
    sys.path += [folder for folder in (args.cvvdp,) if folder]  # behind ours, of which it brings other versions
    shape = (args.crops, 3, args.side, args.side)
    crops = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(args.device)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["IQA_SR_WEIGHTS"] = os.environ["IQA_SR_CACHE"] = folder
        for name in args.metric:
            for file in metric_info(name).weights:
                write_synthetic(file, Path(folder))
            rivals: dict[str, Callable[[Tensor], Any]] = {}
            if name == "cvvdp" and args.cvvdp:
                rivals["the package"] = cvvdp_package(crops.device)
            elif args.pyiqa and (call := pyiqa_call(name, crops.device, folder)):
                rivals["pyiqa"] = call
            compare(name, crops, args.batch, rivals, args.gradient)
            if args.loss:
                for checkpoint in (False, True):
                    training_cost(name, crops[:8], checkpoint)


def compare(
    name: str, crops: Tensor, batches: list[int], rivals: dict[str, Callable[[Tensor], Any]], gradient: bool
) -> None:
    metric = create_metric(name, crops.device)
    full = metric.info.reference == "full"
    calls = {"ours": lambda batch: metric(batch, reference_of(batch) if full else None), **rivals}
    for size in batches:
        seconds: dict[str, list[float]] = {who: [] for who in calls}
        for warm in (True, False):
            for batch in crops[:size].split(size) if warm else crops.split(size):
                for who, call in calls.items():
                    seconds[who].append(timed(call, batch, gradient))
            if warm:
                seconds = {who: [] for who in calls}
        speeds = ", ".join(f"{who} {len(crops) / sum(times):.2f} images/s" for who, times in seconds.items())
        ratio = ""
        for rival in rivals:
            pairs = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds[rival], strict=True)]
            ratio = f": ratio {statistics.median(pairs):.2f} (median of {len(pairs)} pairs)"
        what = f"{len(crops)} crops of {crops.shape[-1]} px, batches of {size}{', with gradient' if gradient else ''}"
        print(f"{name}, {what}: {speeds}{ratio}", flush=True)


def reference_of(batch: Tensor) -> Tensor:
    """References for a batch: each image's is the one before it; that of a single image its mirror image."""
    return batch.detach().roll(1, 0) if len(batch) > 1 else batch.detach().flip(3)


def timed(call: Callable[[Tensor], Any], batch: Tensor, gradient: bool) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    began = time.perf_counter()
    with torch.set_grad_enabled(gradient):
        scores = call(batch.clone().requires_grad_(gradient))
        if gradient:
            scores.sum().backward()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def cvvdp_package(device: torch.device) -> Callable[[Tensor], Any]:
    """ColorVideoVDP as its authors publish it, on the display that ours takes by default."""
    import pycvvdp

    network = pycvvdp.cvvdp(display_name="standard_fhd", heatmap=None, quiet=True, device=device)
    return lambda batch: network.predict(batch, reference_of(batch), dim_order="BCHW")[0]


def pyiqa_call(name: str, device: torch.device, folder: str) -> Callable[[Tensor], Any] | None:
    """IQA-PyTorch's metric of the same name; None where it cannot be built without a download."""
    network, full = peer(name, device, Path(folder)), metric_info(name).reference == "full"
    return network and (lambda batch: network(batch, *([reference_of(batch)] if full else [])))


def peer(name: str, device: torch.device, folder: Path) -> Any:
    """pyiqa's network of the same name with random weights; None where it cannot be built without a download."""
    import timm
    import torchvision

    create_model, api = timm.create_model, torchvision.models._api
    load_url = api.load_state_dict_from_url
    timm.create_model = lambda *args, **options: create_model(*args, **{**options, "pretrained": False})
    api.load_state_dict_from_url = lambda *args, **options: torchvision.models.resnet50().state_dict()
    os.environ.update(HF_HUB_OFFLINE="1", TORCH_HOME=str(folder))
    for target in (folder / "hub" / "pyiqa", folder / "hub" / "checkpoints"):  # where it looks for its files
        target.mkdir(parents=True, exist_ok=True)
        for file in metric_info(name).weights:
            write_synthetic(file, target)
    if "clip" in name:
        write_synthetic("RN50.pt", folder)
        write_synthetic("QualiCLIP.pth", folder / "hub" / "pyiqa")
    try:
        import pyiqa
        from pyiqa.archs import clip_model

        clip_model._download = lambda address, root: str(folder / Path(address).name)
        for options in ({"pretrained": False}, {}):
            try:
                return pyiqa.create_metric(name, device=device, **options)
            except TypeError:
                continue
    except Exception as error:
        print(f"{name}: pyiqa's cannot be built here: {type(error).__name__} {str(error).splitlines()[0][:100]}")
    finally:
        timm.create_model, api.load_state_dict_from_url = create_model, load_url
    return None


def training_cost(name: str, crops: Tensor, checkpoint: bool) -> None:
    """Time and memory of one forward and backward of the metric as a loss."""
    try:
        loss = IQALoss(name, metric_options={"checkpoint": True} if checkpoint else None)
    except ValueError as error:
        print(f"{name}: {error}")
        return
    seconds, peaks = [], []
    for _ in range(3):
        image = crops.clone().requires_grad_()
        before = fresh_peak()
        began = time.perf_counter()
        loss(image, crops).backward()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
        peaks.append(peak() - before)
    print(
        f"IQALoss({name}){' with checkpoint' if checkpoint else ''}, forward and backward on {len(crops)} crops: "
        f"{min(seconds):.2f} s, peak memory {max(peaks):.0f} MiB above the network's own",
        flush=True,
    )


if __name__ == "__main__":
    main()
