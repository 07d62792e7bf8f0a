"""SRModel: a generator that learns from pixels and features, as BasicSR's stock model."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from iqa_sr.basicsr_compat.building import build_loss, build_network
from iqa_sr.basicsr_compat.builtin.base_model import BaseModel
from iqa_sr.basicsr_compat.builtin.registry import MODEL_REGISTRY
from iqa_sr.basicsr_compat.image_metrics import is_image, metric_or_nan
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import to_array, to_levels
from iqa_sr.io.images import write_image

__all__ = ["SRModel"]

logger = logging.getLogger(__name__)


@MODEL_REGISTRY.register()
class SRModel(BaseModel):
    """Trains `network_g` with `train:pixel_opt` and `train:perceptual_opt`, one of them at least.

    Differs from the original:
        Options are not taken apart; results are written as a whole or not at all.

    Args:
        opt: The whole options, with what a run adds to them.

    Attributes:
        net_g: The generator, on its device.
        net_g_ema: Its moving average, where there is one.
        lq: LQ images `(N, C, h, w)` of the batch, in [0, 1].
        gt: Ground truth `(N, C, H, W)` of the batch.
        output: Result of the generator for them.
        metric_results: Means of the last validation by metric.
    """

    lq: Tensor
    gt: Tensor
    output: Tensor
    metric_results: dict[str, float]

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        self.net_g = self._network("network_g")
        if self.is_train:
            self.init_training_settings()

    # --- Building -----------------------------------------------------------------------------------------------------

    def _network(self, key: str) -> nn.Module:
        """A network of the options, on its device, with the weights that it begins with."""
        network = self.model_to_device(build_network(self.opt[key], key))
        self.print_network(network)
        path, letter = self.opt["path"], key.removeprefix("network_")
        if file := path.get(f"pretrain_{key}"):
            strict, weights = path.get(f"strict_load_{letter}", True), path.get(f"param_key_{letter}", "params")
            self.load_network(network, file, strict, weights)
        return network

    def init_training_settings(self) -> None:
        """Build the average, the losses, the optimizers and their schedules."""
        self.net_g.train()
        self._prepare_average()
        self._prepare_image_losses()
        if self.cri_pix is None and self.cri_perceptual is None:
            raise OptionError(f"train: {type(self).__name__} needs a loss: pixel_opt or perceptual_opt")
        self.setup_optimizers()
        self.setup_schedulers()

    def _prepare_average(self) -> None:
        self.ema_decay: float = self.opt["train"].get("ema_decay") or 0
        if self.ema_decay <= 0:
            return
        logger.info(f"Moving average of the generator with decay {self.ema_decay}.")
        self.net_g_ema = build_network(self.opt["network_g"], "network_g").to(self.device)
        path = self.opt["path"]
        if file := path.get("pretrain_network_g"):
            self.load_network(self.net_g_ema, file, path.get("strict_load_g", True), "params_ema")
        else:
            self.model_ema(0)
        self.net_g_ema.eval()

    def _prepare_image_losses(self) -> None:
        self.cri_pix = self._loss("pixel_opt")
        self.cri_perceptual = self._loss("perceptual_opt")

    def _loss(self, key: str) -> nn.Module | None:
        """The loss of a section of `train`; None where there is none."""
        section = self.opt["train"].get(key)
        return build_loss(section, f"train:{key}").to(self.device) if section else None

    def setup_optimizers(self) -> None:
        """Build the optimizer of the parameters that are trained."""
        frozen = [name for name, parameter in self.net_g.named_parameters() if not parameter.requires_grad]
        if frozen:
            logger.warning(f"{len(frozen)} parameters are not optimized: {', '.join(frozen[:5])}")
        trained = [parameter for parameter in self.net_g.parameters() if parameter.requires_grad]
        self.optimizer_g = self._optimizer("optim_g", trained)

    def _optimizer(self, key: str, parameters: Any) -> torch.optim.Optimizer:
        """The optimizer of a section of `train`; joins `optimizers`."""
        options = dict(self.opt["train"][key])
        optimizer = self.get_optimizer(options.pop("type"), parameters, **options)
        self.optimizers.append(optimizer)
        return optimizer

    # --- One iteration ------------------------------------------------------------------------------------------------

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Take a batch: `lq` and, where there is one, `gt`."""
        self.lq = data["lq"].to(self.device)
        if "gt" in data:
            self.gt = data["gt"].to(self.device)

    def optimize_parameters(self, current_iter: int) -> None:
        """One step of the generator."""
        self.optimizer_g.zero_grad()
        self.output = self.net_g(self.lq)
        losses = self._image_losses("l_")
        _total(losses).backward()
        self.optimizer_g.step()
        self.log_dict = self.reduce_loss_dict(losses)
        self._average()

    def _image_losses(self, prefix: str) -> dict[str, Tensor]:
        """Losses between the output and the ground truth, by their names in the log behind `prefix`."""
        losses = {}
        if self.cri_pix is not None:
            losses[f"{prefix}pix"] = self.cri_pix(self.output, self.gt)
        if self.cri_perceptual is not None:
            pair = zip(("percep", "style"), self.cri_perceptual(self.output, self.gt), strict=True)
            losses |= {f"{prefix}{name}": loss for name, loss in pair if loss is not None}
        return losses

    def _average(self) -> None:
        if self.ema_decay > 0:
            self.model_ema(self.ema_decay)

    # --- Validation ---------------------------------------------------------------------------------------------------

    def test(self) -> None:
        """Upscale `lq` into `output`, with the averaged network where there is one."""
        averaged = hasattr(self, "net_g_ema")
        network = self.net_g_ema if averaged else self.net_g
        network.eval()
        with torch.no_grad():
            self.output = network(self.lq)
        if not averaged:
            self.net_g.train()

    def get_current_visuals(self) -> dict[str, Tensor]:
        """LQ, result and, where there is one, ground truth, on the CPU."""
        images = {"lq": self.lq, "result": self.output}
        if hasattr(self, "gt"):
            images["gt"] = self.gt
        return {name: image.detach().cpu() for name, image in images.items()}

    def nondist_validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        """Score the results for a validation set; the means are `metric_results`, the best `best_metric_results`.

        Args:
            dataloader: Batches of one image.
            current_iter: Number of iterations done.
            tb_logger: Writer of TensorBoard, or None.
            save_img: Whether results are written to `path:visualization`, in a folder for each image.
        """
        dataset, section = dataloader.dataset.opt["name"], self.opt["val"]
        metrics: Mapping[str, Any] = section.get("metrics") or {}
        if metrics:
            self._initialize_best_metric_results(dataset)
        totals = dict.fromkeys(metrics, 0.0)
        for data in tqdm(dataloader, desc=dataset, unit="image", disable=not section.get("pbar", False)):
            images = self._tested_images(data)
            if save_img and is_image(images["img"]):
                name = Path(data["lq_path"][0]).stem
                file = Path(self.opt["path"]["visualization"], name, f"{name}_{current_iter}.png")
                write_image(file, _rgb(images["img"]))
            for name, options in metrics.items():
                totals[name] += metric_or_nan(images, options)
        if metrics:
            self.metric_results = {name: total / len(dataloader) for name, total in totals.items()}
            self._keep_results(dataset, current_iter, tb_logger)

    def _tested_images(self, data: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Arguments of metrics: the result `img` for a batch of one image and, where there is one, its ground truth."""
        self.feed_data(data)
        self.test()
        visuals = self.get_current_visuals()
        for name in ("lq", "output", "gt"):  # no memory is kept for what is on the CPU by now
            vars(self).pop(name, None)
        names = {"result": "img", "gt": "img2"}
        return {names[name]: _bgr(image[0]) for name, image in visuals.items() if name in names}

    def _keep_results(self, dataset: str, current_iter: int, tb_logger: Any) -> None:
        """Remember the best means, and tell them."""
        lines = [f"Validation {dataset}"]
        for name, mean in self.metric_results.items():
            self._update_best_metric_result(dataset, name, mean, current_iter)
            best = self.best_metric_results[dataset][name]
            lines.append(f"\t # {name}: {mean:.4f}\tBest: {best['val']:.4f} @ {best['iter']} iter")
            if tb_logger:
                tb_logger.add_scalar(f"metrics/{dataset}/{name}", mean, current_iter)
        logger.info("\n".join(lines))

    # --- Saving -------------------------------------------------------------------------------------------------------

    def save(self, epoch: int, current_iter: int) -> None:
        """Write the networks, and the training state last; an iteration of -1 is the end of the run."""
        if hasattr(self, "net_g_ema"):
            self.save_network([self.net_g, self.net_g_ema], "net_g", current_iter, param_key=["params", "params_ema"])
        else:
            self.save_network(self.net_g, "net_g", current_iter)
        self._save_others(current_iter)
        self.save_training_state(epoch, current_iter)

    def _save_others(self, current_iter: int) -> None:
        """Write networks beside the generator; for subclasses."""


def _total(losses: Mapping[str, Tensor]) -> Tensor:
    """The sum of losses, of which there is one at least, added up in their order."""
    total = sum(losses.values())
    assert isinstance(total, Tensor)
    return total


def _bgr(image: Tensor) -> np.ndarray:
    """`(3, H, W)` or `(1, H, W)` to `(H, W, 3)` BGR or `(H, W)` uint8; all NaN where it is not finite."""
    levels = to_array(to_levels(image))  # (H, W, C)
    levels = levels[..., 0] if levels.shape[2] == 1 else np.ascontiguousarray(levels[..., ::-1])
    return levels if image.isfinite().all() else np.full(levels.shape, np.nan, np.float32)


def _rgb(image: np.ndarray) -> np.ndarray:
    """What `_bgr` gives to `(H, W, 3)` RGB."""
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
