"""ValidatedModel: a BasicSR model whose network upscales pictures of any size, and whose results are all scored."""

import logging
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.basicsr_compat import BaseModel
from iqa_sr.checkpoint.building import side_multiple
from iqa_sr.models.options import IQASRConfig
from iqa_sr.models.validation import Validation

__all__ = ["ValidatedModel"]

logger = logging.getLogger(__name__)


class ValidatedModel(BaseModel):
    """What a model needs to be tested: `net_g`, with `net_g_ema` where there is an average, and the batch.

    Args:
        opt: BasicSR's options; read are `val`, `network_g`, `scale` and `rank`.
    """

    net_g: nn.Module
    lq: Tensor
    gt: Tensor
    output: Tensor

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        self.validation_run: Validation | None = None

    def prepare_validation(self, config: IQASRConfig) -> None:
        """Build the metrics of `val`, if there is one."""
        if config.val is not None:
            self.validation_run = Validation(self.opt, config.val, config.metrics)
            self.validation_run.build(self.device)

    # --- Results ------------------------------------------------------------------------------------------------------

    def test(self) -> None:
        """Upscale `self.lq` of any size with the averaged network (or the current one) into `self.output`."""
        self.output = self.upscale(self.lq)

    @torch.no_grad()
    def upscale(self, lq: Tensor) -> Tensor:
        """`(N, 3, h, w)` to `(N, 3, h * scale, w * scale)` float32, padded inside to sides that the network takes."""
        return self._upscale(getattr(self, "net_g_ema", None) or self.get_bare_model(self.net_g), lq)

    @torch.no_grad()
    def _upscale(self, network: nn.Module, lq: Tensor) -> Tensor:
        was_training = network.training
        multiple, scale = side_multiple(self.opt["network_g"]), self.opt.get("scale", 1)
        height, width = lq.shape[-2:]
        padded = F.pad(lq, (0, -width % multiple, 0, -height % multiple), "reflect")
        network.eval()
        output = network(padded)[..., : height * scale, : width * scale].float()
        network.train(was_training)
        return cast(Tensor, output)

    def get_current_visuals(self) -> dict[str, Tensor]:
        """LQ, result and ground truth, on the CPU."""
        visuals = {"lq": self.lq, "result": self.output, "gt": self.gt}
        return {name: picture.detach().cpu() for name, picture in visuals.items()}

    # --- Validation ---------------------------------------------------------------------------------------------------

    def dist_validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        """The first process validates; our loop lets the others wait."""
        if self.opt["rank"] == 0:
            self.nondist_validation(dataloader, current_iter, tb_logger, save_img)

    def nondist_validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        """Score every picture of a validation set; see `Validation`."""
        assert self.validation_run is not None
        results = self.validation_run.run(self, dataloader, current_iter, save_img)
        name = dataloader.dataset.opt["name"]
        self.metric_results = results.means
        self.validation_rows = results.rows
        if results.means:
            self._initialize_best_metric_results(name)
            for metric, value in results.means.items():
                self._update_best_metric_result(name, metric, value, current_iter)
            self._log_validation_metric_values(current_iter, name, tb_logger)

    def _initialize_best_metric_results(self, dataset_name: str) -> None:
        """BasicSR's table of best values, with the direction that each metric declares."""
        assert self.validation_run is not None
        self.best_metric_results = getattr(self, "best_metric_results", {})
        for metric, higher in self.validation_run.directions().items():
            start = {"better": "higher" if higher else "lower", "val": float("-inf" if higher else "inf"), "iter": -1}
            self.best_metric_results.setdefault(dataset_name, {}).setdefault(metric, start)

    def _log_validation_metric_values(self, current_iter: int, dataset_name: str, tb_logger: Any) -> None:
        best = self.best_metric_results[dataset_name]
        lines = [f"Validation {dataset_name}, iteration {current_iter}"]
        for metric, value in self.metric_results.items():
            note = f"\tBest: {best[metric]['val']:.4f} @ {best[metric]['iter']} iter"
            lines.append(f"\t # {metric}: {value:.4f}{note}")
            if tb_logger:
                tb_logger.add_scalar(f"metrics/{dataset_name}/{metric}", value, current_iter)
        logger.info("\n".join(lines))
