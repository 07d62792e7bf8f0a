"""The runs of main.py: one base, fine-tuned by the real training step, measured on photographs at several strengths."""

import copy
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from records import ARMS, Key, Row, write_windows
from torch import Tensor, nn
from torch.utils.data import DataLoader

from iqa_sr import plugin
from iqa_sr.basicsr_compat import build_dataset, build_model, set_random_seed
from iqa_sr.config.option_files import read_option_file
from iqa_sr.data.leakage import check_together
from iqa_sr.datasets.sample_order import DataCursor, build_train_loader
from iqa_sr.datasets.validation_images import validation_images
from iqa_sr.guard.measurements import Window, cut_windows
from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.lora.injection import LoRAOptions, merged_state, target_names
from iqa_sr.metrics import QualityMetric, create_metric, metric_info
from iqa_sr.models.ground_truth_selection import GroundTruthSelector
from iqa_sr.ops.residual_spectrum import lattice_share
from iqa_sr.training.run_config import RunConfig
from iqa_sr.weights.store import is_present

ENDPOINTS = {
    "JOD to GT": ("cvvdp", "original"),
    "JOD to base": ("cvvdp", "base"),
    "LPIPS": ("lpips", "original"),
    "DISTS": ("dists", "original"),
    "PSNR": ("psnr", "original"),
    "NIQE": ("niqe", "nothing"),
}
"""Metric of each, and what it compares with."""
TUNING_WINDOWS = 6
BATCH = 5  # windows that are scored at a time

State = dict[str, Tensor]


@dataclass(frozen=True)
class Setup:
    """Settings that all runs share; a folder of results belongs to one setup.

    Attributes:
        option_file: Option file with the data sets, the network and the pixel loss.
        scale: Factor of the super-resolution.
        degradation: Type of degradation that makes the LQ, as `degradation` of an option file has it.
        data: Folder with `train` and `val` in the layout of the sample; learning rates are tuned on `val`.
        images: Folder of the photographs that everything is measured on.
        base: Checkpoint that every run begins with.
        base_key: Key of the base's weights in its checkpoint, for example `params_ema`.
        metric: Name of the reward metric.
        weights: File of the reward metric's weights; empty for its default ones.
        quality_weight: Weight of the reward in the loss, per gap between base and ground truth.
        rank: Rank of LoRA.
        steps: Training steps of each run.
        batch: Images per training step.
        windows: Largest number of photographs that are measured, one window of each.
        window: Side of the windows in px.
        strengths: Strengths of the learned change at which each run is measured; 1 is the trained network.
    """

    option_file: str
    scale: int
    degradation: str
    data: str
    images: str
    base: str
    base_key: str
    metric: str
    weights: str
    quality_weight: float
    rank: int
    steps: int
    batch: int
    windows: int
    window: int
    strengths: tuple[float, ...]


@dataclass(frozen=True)
class SweepImages:
    """Windows of photographs, one of each where there are enough, and what is known of them.

    Attributes:
        windows: Windows of the photographs with their LQ, N of them.
        original: Ground truths of the windows, `(N, 3, S, S)`.
        base: Results of the base for the windows, `(N, 3, S, S)`, not rounded.
    """

    windows: list[Window]
    original: Tensor
    base: Tensor


class Bench:
    """Data, metrics and base, built once; `run` trains and measures.

    Args:
        setup: Settings that all runs share.

    Raises:
        FileNotFoundError, OptionError, ValueError: What the parts find wrong with options, data or weights.
    """

    def __init__(self, setup: Setup) -> None:
        plugin.register()
        logging.getLogger("basicsr").setLevel(logging.WARNING)
        self.setup, self.unit = setup, 1.0
        self.content = with_degradation(read_option_file(setup.option_file), setup.scale, setup.degradation)
        self.period = self.content["network_g"].get("window_size", 8) * setup.scale
        opt = self.options(Key("base", "full", "plain", 1e-4, 0))
        self.device = torch.device("cuda" if opt["num_gpu"] else "cpu")
        self.reward = create_metric(setup.metric, self.device, **({"weights": setup.weights} if setup.weights else {}))
        self.metrics = {name: create_metric(ENDPOINTS[name][0], self.device) for name in measurable()}
        self.model = build_model(opt)  # holds whatever network is measured
        self.base = {
            name: value.clone() for name, value in self.model.get_bare_model(self.model.net_g).state_dict().items()
        }
        self.train_set = build_dataset(opt["datasets"]["train"])
        self.tuning = self._images(opt, f"{setup.data}/val", TUNING_WINDOWS)
        self.tuning_base = self._rows(Key("tuning", "full", "plain", 0.0, 0), 0.0, self.tuning.base, self.tuning)
        start = time.perf_counter()
        self.images = self._images(opt, setup.images, setup.windows)
        self.base_rows = self._rows(Key("base", "full", "plain", 0.0, 0), 0.0, self.images.base, self.images)
        self.measuring = time.perf_counter() - start  # s for one network
        results, originals = (
            self.rewards(one, self.images.original).mean() for one in (self.images.base, self.images.original)
        )
        self.unit = float(originals - results)
        if self.unit <= 0:
            raise SystemExit(
                f"{setup.metric} does not find the ground truths ({originals:.3f}) better than the base's results "
                f"({results:.3f}), larger is better: gains have no unit here; take another metric or base."
            )
        self._batches: tuple[int, list[dict[str, Tensor]]] = (-1, [])

    def options(self, key: Key) -> dict[str, Any]:
        """The option file's, as a run of this benchmark: a constant rate, no average, no validation."""
        setup, opt = self.setup, copy.deepcopy(self.content)
        train_data, val_data = opt["datasets"]["train"], opt["datasets"]["val"]
        train_data |= {"dataroot_gt": f"{setup.data}/train", "num_worker_per_gpu": 0, "batch_size_per_gpu": setup.batch}
        val_data |= {"dataroot_gt": f"{setup.data}/val"}
        quality = {"type": "IQALoss", "metric": setup.metric, "loss_weight": setup.quality_weight / self.unit}
        quality |= {"metric_options": {"weights": setup.weights}} if setup.weights else {}
        quality |= {"visible": True} if key.mode == "visible" else {}
        train = {
            "total_iter": setup.steps,
            "optim_g": {**opt["train"]["optim_g"], "lr": key.rate},
            "scheduler": {"type": "MultiStepLR", "milestones": [setup.steps + 1], "gamma": 1.0},
            "pixel_opt": opt["train"]["pixel_opt"],
            "quality_opt": quality,
        }
        if key.arm.startswith("lora"):
            train["lora"] = {"rank": setup.rank, "preset": ARMS[key.arm]}
        opt |= {
            "name": "reward_hacking",
            "num_gpu": min(1, torch.cuda.device_count()),
            "manual_seed": key.seed,
            "path": {"pretrain_network_g": setup.base, "param_key_g": setup.base_key, "strict_load_g": True},
            "train": train,
            "val": None,
        }
        return RunConfig.from_options(opt).basicsr_opt(cuda_devices=torch.cuda.device_count())

    # --- Training -----------------------------------------------------------------------------------------------------

    def batches(self, opt: dict[str, Any]) -> list[dict[str, Tensor]]:
        """Training batches of all runs of a seed: the sampler looks at the ground truths only, so once is enough."""
        seed = opt["manual_seed"]
        if self._batches[0] != seed:
            self._batches = (-1, [])  # not two seeds in memory at once
            data, crop = self.train_set, opt["datasets"]["train"]["gt_size"]
            feed = GroundTruthSelector(data.sampler, data.degradation, crop, self.device)
            source = DataCursor(*build_train_loader(data, opt)).batches()
            pairs = (feed(next(source)) for _ in range(self.setup.steps))
            self._batches = (seed, [{"lq": lq, "gt": gt.clone()} for lq, gt in pairs])
        return self._batches[1]

    def train(self, key: Key, steps: int, tick: Callable[[], Any] = lambda: None) -> Callable[[float], State]:
        """Fine-tune the base; the plain network's weights at any strength of what was learned."""
        opt = self.options(key)
        batches = self.batches(opt)
        set_random_seed(key.seed)
        model = build_model(opt)
        network = model.get_bare_model(model.net_g)
        if ARMS[key.arm] and model.lora is None:
            train_only(network, ARMS[key.arm])
        for step, batch in enumerate(batches[:steps], start=1):
            # The rate rises first: Adam's first steps move every weight by all of it.
            model.update_learning_rate(step, warmup_iter=max(1, self.setup.steps // 12))
            model.feed_data(batch)
            model.optimize_parameters(step)
            tick()
        if model.lora is not None:
            return lambda strength: merged_state(network, {"default": strength})  # as `iqa-sr merge --strength`
        tuned = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
        return lambda strength: (
            self.base | {name: self.base[name].lerp(value, strength) for name, value in tuned.items()}
        )

    def run(self, key: Key, tick: Callable[[], Any], folder: Path | None) -> list[Row]:
        """Train, and measure at every strength; results go to `folder` as images, one under the other."""
        images = self.tuning if key.phase == "tuning" else self.images
        at, rows = self.train(key, self.setup.steps, tick), []
        for strength in self.setup.strengths:
            self.model.get_bare_model(self.model.net_g).load_state_dict(at(strength))
            outputs = self._results(images.windows)
            if folder is not None:
                write_windows(folder / key.image(strength), outputs)
            rows += self._rows(key, strength, outputs, images)
        return rows

    def seconds_of_a_step(self, key: Key) -> float:
        """Measured, after a step that is not; the batches of the seed are made, too, and kept."""
        self.train(key, 1)
        start = time.perf_counter()
        self.train(key, 4)
        return (time.perf_counter() - start) / 4

    # --- Measuring ----------------------------------------------------------------------------------------------------

    def _images(self, opt: dict[str, Any], folder: str, most: int) -> SweepImages:
        data = build_dataset(opt["datasets"]["val"] | {"dataroot_gt": folder})
        check_together({"train": self.train_set, "images": data})
        if folder == self.setup.images:  # windows of one photograph are alike, and no units of a test
            most = min(most, len(data))
        loader = DataLoader(data, generator=torch.Generator())
        pairs = (
            (one.lq, None if one.gts is None else one.gts[:1])
            for one in validation_images(loader, self.setup.scale, self.device)
        )
        windows = cut_windows(pairs, self.model.upscale, self.setup.window, most)
        if small := [window for window in windows if window.shorter < self.setup.window]:
            raise SystemExit(f"{folder}: {len(small)} images are smaller than a window of {self.setup.window} px")
        original = torch.cat([window.original for window in windows if window.original is not None])
        return SweepImages(windows, original, self._results(windows))

    def _results(self, windows: list[Window]) -> Tensor:
        """Results of the current network for the windows: `(N, 3, S, S)`."""
        return torch.cat([window.inside(self.model.upscale(window.lq)) for window in windows]).to(self.device)

    def rewards(self, image: Tensor, original: Tensor) -> Tensor:
        """Scores of the images by the reward metric, `(N,)`, larger is better."""
        return self.reward.info.oriented(scores(self.reward, image, original))

    def _rows(self, key: Key, strength: float, outputs: Tensor, images: SweepImages) -> list[Row]:
        """The scores of each image: of what a saved file would hold, the lattice of what changed before rounding."""
        columns = {"reward": self.rewards(outputs, images.original)}
        columns["lattice"] = lattice_share(outputs - images.base, self.period)
        for name in ("JOD to GT",) if key.phase == "tuning" else self.metrics:
            reference = images.base if ENDPOINTS[name][1] == "base" else images.original
            columns[name] = scores(self.metrics[name], outputs, reference)
        values = {name: column.tolist() for name, column in columns.items()}
        return [
            {
                **asdict(key),
                "strength": strength,
                "image": number,
                **{name: column[number] for name, column in values.items()},
            }
            for number in range(len(outputs))
        ]


def measurable() -> list[str]:
    """The endpoints whose metrics have their weights on this machine."""
    return [name for name, (metric, _) in ENDPOINTS.items() if all(map(is_present, metric_info(metric).weights))]


def scores(metric: QualityMetric, image: Tensor, reference: Tensor) -> Tensor:
    """`(N,)` on the metric's own scale, of what files of 8 bit would hold."""
    pairs = zip(as_8_bit(image).split(BATCH), as_8_bit(reference).split(BATCH), strict=True)
    with torch.no_grad():
        return torch.cat([metric(one, other) for one, other in pairs])


def train_only(network: nn.Module, preset: str) -> None:
    """Freeze all but the weights that LoRA of a preset would update; Adam does not step what has no gradient."""
    layers = target_names(network, LoRAOptions(preset=preset))
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.removesuffix(".weight") in layers)


def with_degradation(content: dict[str, Any], scale: int, degradation: str) -> dict[str, Any]:
    """The content of an option file for another scale and another way to make the LQ."""
    content["scale"] = content["network_g"]["upscale"] = scale
    for section in content["datasets"].values():
        section["degradation"] = {"type": degradation}
    return content
