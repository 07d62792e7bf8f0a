"""The runs of main.py: one base, tuned by the real training step, measured on validation windows."""

import copy
import csv
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from iqa_sr import plugin
from iqa_sr.basicsr_compat import build_dataset, build_model, set_random_seed
from iqa_sr.config.option_files import read_option_file
from iqa_sr.data.leakage import check_together
from iqa_sr.datasets.sample_order import Place, build_train_loader
from iqa_sr.datasets.validation_images import validation_pictures
from iqa_sr.guard.measurements import check_sizes, cut_windows, measure_windows
from iqa_sr.io.image_tensors import as_8_bit, to_tensor, to_uint8
from iqa_sr.io.images import read_image, write_image
from iqa_sr.io.tensor_files import state_digest
from iqa_sr.metrics import create_metric, metric_info, metric_names, shared_metric
from iqa_sr.models.ground_truth_selection import GroundTruthFeed
from iqa_sr.runtime import rng_state
from iqa_sr.training.run_config import RunConfig
from iqa_sr.weights.store import is_present

SECOND = "second judge"
DEFENCES = {"ceiling": True, "views": {"count": 1, "crop": 0.7, "resize": [0.8, 1.2], "flip": True}}
LOOKS = 9  # looks at a run: after all its steps, 0.71 of them, half of them, ...


@dataclass(frozen=True)
class Setup:
    """What all runs share; a folder of results belongs to one setup.

    Attributes:
        option_file: Data, network and pixel loss are its own.
        data: Folder with `train` and `val` in the layout of the sample.
        base: Checkpoint that every run begins with.
        base_key: Its key.
        judge: The metric that is optimised.
        second_judge: Weights of another rankiqa network that is held out; empty for none.
        sampler: Metric of the argmax-online sampler; empty for the option file's.
        steps: Of each run.
        windows: Number of validation windows.
        window: Their side in px.
        batch: Pictures a step.
        preset: Layers that get an update, as in `train:lora:preset`.
    """

    option_file: str
    data: str
    base: str
    base_key: str
    judge: str
    second_judge: str
    sampler: str
    steps: int
    windows: int
    window: int
    batch: int
    preset: str

    @property
    def looks(self) -> list[int]:
        """The steps after which a run is measured."""
        return sorted({max(1, round(self.steps / 2 ** (number / 2))) for number in range(LOOKS)})

    @property
    def warmup(self) -> int:
        """Steps in which the rate rises: Adam's first ones move every weight by all of it."""
        return max(1, self.steps // 12)


@dataclass(frozen=True)
class Key:
    """One run.

    Attributes:
        phase: `tuning` of the learning rate, or `final`.
        method: `full`, or `lora-<rank>`.
        defended: Whether the judge sees jittered views and gives nothing above the ground truth's score.
        weight: lambda_Q.
        rate: Learning rate.
        seed: Of the order of the data, the crops, the adapter's beginning and the views.
    """

    phase: str
    method: str
    defended: bool
    weight: float
    rate: float
    seed: int

    def picture(self, step: int) -> str:
        """Name of the file of its windows after some steps."""
        return f"{self.method}-{'defended' if self.defended else 'plain'}-{self.weight:g}-{self.rate:g}-{step}.png"

    def __str__(self) -> str:
        ending = ", defended" if self.defended else ""
        return f"{self.phase} {self.method}{ending}, lambda {self.weight:g}, rate {self.rate:g}, seed {self.seed}"


@dataclass(frozen=True)
class Look:
    """One run after some steps, as changes since the base.

    Attributes:
        key: The run.
        step: After how many steps.
        values: `gain` of the judge in its own unit; `held-out loss` (mean of those of `averaged`; those of each judge
            follow as `loss <name>`) in units of that judge's spread over the base's windows; `high-frequency` and
            `periodic` noise and the RMS `change` in levels of 255, the `high-frequency share` of the change; `PSNR
            loss` to the original in dB.
    """

    key: Key
    step: int
    values: Mapping[str, float]


class Bench:
    """Data, judges and base, built once; `run` trains and measures.

    Args:
        setup: What all runs share.

    Raises:
        FileNotFoundError, OptionError, ValueError: What the parts find wrong with options, data or weights.
    """

    def __init__(self, setup: Setup) -> None:
        plugin.register()
        logging.getLogger("basicsr").setLevel(logging.WARNING)
        self.setup = setup
        self.content = read_option_file(setup.option_file)
        opt = self.options(Key("", "full", False, 1.0, 1e-4, 0))
        self.device = torch.device("cuda" if opt["num_gpu"] else "cpu")
        self.train_set = build_dataset(opt["datasets"]["train"])
        val_set = build_dataset(opt["datasets"]["val"])
        check_together({"train": self.train_set, "val": val_set})
        self.second = None
        if setup.second_judge:
            self.second = create_metric("rankiqa-own", self.device, weights=setup.second_judge)
            judge = shared_metric(setup.judge, self.device)
            if state_digest(self.second.state_dict()) == state_digest(judge.state_dict()):
                raise SystemExit(f"--second-judge: {setup.second_judge} holds the weights of {setup.judge} itself")
        self.held_out = held_out_names(setup.judge)
        self.averaged = averaged_names(setup)
        base = build_model(opt)
        pictures = validation_pictures(DataLoader(val_set, generator=torch.Generator()), opt["scale"], self.device)
        pairs = ((one.lq, None if one.gts is None else one.gts[:1]) for one in pictures)
        self.windows = cut_windows(pairs, base.upscale, setup.window, setup.windows)
        check_sizes(self.windows, [setup.judge, *self.held_out])
        self.base_outputs: list[Tensor] | None = None
        self.base_scores: dict[str, Tensor] = {}
        self.base_psnr = torch.zeros(())
        self.batches_of: tuple[int, list[dict[str, Tensor]]] = (-1, [])
        self._measure_base(base.upscale)

    # --- Options ------------------------------------------------------------------------------------------------------

    def options(self, key: Key) -> dict[str, Any]:
        """The option file's, as a run of this benchmark: a constant rate, no average, no validation."""
        setup, opt = self.setup, copy.deepcopy(self.content)
        train_data, val_data = opt["datasets"]["train"], opt["datasets"]["val"]
        for section, part in ((train_data, "train"), (val_data, "val")):
            section["dataroot_gt"] = str(Path(setup.data) / part)
        train_data |= {"num_worker_per_gpu": 0, "batch_size_per_gpu": setup.batch}
        if setup.sampler:
            train_data["sampler"]["metric"] = setup.sampler
        path = {"pretrain_network_g": setup.base, "param_key_g": setup.base_key, "strict_load_g": True}
        quality = {"type": "IQALoss", "metric": setup.judge, "loss_weight": key.weight}
        train = {
            "total_iter": setup.steps,
            "optim_g": {**opt["train"]["optim_g"], "lr": key.rate},
            "scheduler": {"type": "MultiStepLR", "milestones": [setup.steps + 1], "gamma": 1.0},
            "pixel_opt": opt["train"]["pixel_opt"],
            "quality_opt": quality | (DEFENCES if key.defended else {}),
        }
        if key.method != "full":
            train["lora"] = {"rank": int(key.method.removeprefix("lora-")), "preset": setup.preset}
        one = {"name": "adversarial_noise", "num_gpu": min(1, torch.cuda.device_count()), "manual_seed": key.seed}
        opt |= one | {"path": path, "train": train, "val": None}
        return RunConfig.from_options(opt).basicsr_opt(cuda_devices=torch.cuda.device_count())

    # --- Training -----------------------------------------------------------------------------------------------------

    def batches(self, opt: dict[str, Any]) -> list[dict[str, Tensor]]:
        """What every run of a seed learns from: the sampler looks at the ground truths only, so once is enough."""
        seed = opt["manual_seed"]
        if self.batches_of[0] != seed:
            self.batches_of = (-1, [])  # not two seeds in memory at once
            feed = GroundTruthFeed(
                self.train_set.sampler, self.train_set.degradation, opt["datasets"]["train"]["gt_size"], self.device
            )
            source = Place(*build_train_loader(self.train_set, opt)).batches()
            pairs = (feed(next(source)) for _ in range(self.setup.steps))
            self.batches_of = (seed, [{"lq": lq, "gt": gt.clone()} for lq, gt in pairs])
        return self.batches_of[1]

    def train(self, key: Key, tick: Callable[[], Any]) -> Iterator[tuple[int, Any]]:
        """The model after each of the steps at which it is to be looked at; looking must not draw random numbers."""
        opt = self.options(key)
        batches = self.batches(opt)
        set_random_seed(key.seed)
        model = build_model(opt)
        set_random_seed(key.seed)  # an adapter's beginning draws; the views are the same for all methods
        for step, batch in enumerate(batches, start=1):
            model.update_learning_rate(step, warmup_iter=self.setup.warmup)
            model.feed_data(batch)
            model.optimize_parameters(step)
            tick()
            if step in self.setup.looks:
                yield step, model

    def run(self, key: Key, tick: Callable[[], Any], folder: Path | None) -> Iterator[Look]:
        """Train and measure; results of the windows go to `folder` as pictures, one under the other."""
        for step, model in self.train(key, tick):
            with rng_state.preserved():
                values, outputs = self.measure(model.upscale)
            if folder is not None:
                write_windows(folder / key.picture(step), outputs)
            yield Look(key, step, values)

    # --- Measuring ----------------------------------------------------------------------------------------------------

    def _scores(self, upscale: Callable[[Tensor], Tensor]) -> tuple[Any, dict[str, Tensor], list[Tensor]]:
        """`Measures`, the scores of all judges (larger is better), and the results of the windows."""
        whole = [upscale(window.lq.to(self.device)).float() for window in self.windows]
        inside = [window.inside(output).clone() for window, output in zip(self.windows, whole, strict=True)]
        base = self.base_outputs or inside
        metrics = {name: shared_metric(name, self.device) for name in (self.setup.judge, *self.held_out)}
        measures = measure_windows(self.windows, whole, base, metrics, self.device)
        scores = dict(measures.scores)
        if self.second is not None:  # the machine's own rankiqa-own may be another one: not through its name
            with torch.no_grad():
                seen = [self.second(as_8_bit(one)) for one in inside]
            scores[SECOND] = self.second.info.oriented(torch.cat(seen)).double().cpu()
        return measures, scores, inside

    def _measure_base(self, upscale: Callable[[Tensor], Tensor]) -> None:
        measures, scores, self.base_outputs = self._scores(upscale)
        self.base_scores, self.base_psnr = scores, measures.psnr

    def measure(self, upscale: Callable[[Tensor], Tensor]) -> tuple[dict[str, float], list[Tensor]]:
        """The values of a `Look` at a network, and its results for the windows."""
        measures, scores, outputs = self._scores(upscale)
        rises = {name: scores[name] - base for name, base in self.base_scores.items()}
        losses = {
            f"loss {name}": float(-rise.nanmean() / _spread(self.base_scores[name]))
            for name, rise in rises.items()
            if name != self.setup.judge
        }
        noise = float(measures.high_frequency.mean())
        change = float((255 * 10 ** (-measures.base_psnr / 20)).mean())
        values = {
            "gain": float(rises[self.setup.judge].nanmean()),
            "held-out loss": sum(losses[f"loss {name}"] for name in self.averaged) / len(self.averaged),
            "high-frequency": noise,
            "high-frequency share": noise / max(change, 1e-6),
            "periodic": float(measures.periodic.mean()),
            "PSNR loss": float((self.base_psnr - measures.psnr).nanmean()),
            "change": change,
        }
        return values | losses, outputs

    def describe(self) -> str:
        """The base on the windows, in one line."""
        means = ", ".join(
            f"{name} {float(scores.nanmean()):.3f} (spread {_spread(scores):.3f})"
            for name, scores in self.base_scores.items()
        )
        return f"base on {len(self.windows)} windows, larger is better: {means}; PSNR {self.base_psnr.nanmean():.2f} dB"

    def write_references(self, folder: Path) -> None:
        """The windows of the originals and of the base, for the strip."""
        originals = [window.original for window in self.windows]
        assert self.base_outputs is not None
        write_windows(folder / "base.png", self.base_outputs)
        if all(original is not None for original in originals):
            write_windows(folder / "original.png", originals)


def held_out_names(judge: str) -> list[str]:
    """NIQE, and every other no-reference metric whose weights are on this machine."""
    usable = [
        name
        for name in metric_names()
        if metric_info(name).reference == "none"
        and metric_info(name).weights
        and name.split("-")[0] != judge.split("-")[0]  # variants of the judge's own network are not impartial
        and all(is_present(file) for file in metric_info(name).weights)
    ]
    return [name for name in dict.fromkeys(["niqe", *usable]) if name != judge]


def averaged_names(setup: Setup) -> list[str]:
    """The held-out judges whose losses are averaged: they, and not the consistency with the LQ, which is no judge."""
    return [*held_out_names(setup.judge), *([SECOND] if setup.second_judge else [])]


def _spread(scores: Tensor) -> float:
    return float(scores[scores.isfinite()].std())


# --- Files ------------------------------------------------------------------------------------------------------------


def write_windows(path: Path, windows: list[Any]) -> None:
    """Write `(1, 3, H, W)` windows one under the other, all cut to a square of the smallest side."""
    side = min(length for window in windows for length in window.shape[-2:])
    write_image(path, to_uint8(torch.cat([window[0, :, :side, :side].float().cpu() for window in windows], dim=1)))


def read_windows(path: Path) -> Tensor:
    """`(windows, 3, side, side)` float RGB of a file of `write_windows`."""
    picture = to_tensor(read_image(path))
    return torch.stack(picture.split(picture.shape[-1], dim=1))


def write_looks(path: Path, looks: list[Look]) -> None:
    """Write the table of all looks, whole or not at all."""
    rows = [{**asdict(look.key), "step": look.step, **look.values} for look in looks]
    new = path.with_suffix(".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    new.replace(path)


def read_looks(path: Path) -> list[Look]:
    """What `write_looks` wrote; nothing where there is no file."""
    looks: list[Look] = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                words = (row.pop("phase"), row.pop("method"), row.pop("defended") == "True")
                key = Key(*words, float(row.pop("weight")), float(row.pop("rate")), int(row.pop("seed")))
                looks.append(Look(key, int(row.pop("step")), {name: float(value) for name, value in row.items()}))
    return looks
