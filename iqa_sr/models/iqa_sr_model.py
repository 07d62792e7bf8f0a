"""IQASRModel: any number of losses, several ground truths per image, an optional discriminator."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from iqa_sr.archs.folded_layers import fold
from iqa_sr.archs.spandrel_loader import FROM_FILE
from iqa_sr.basicsr_compat import build_loss, build_network, side_multiple
from iqa_sr.checkpoint.file_form import FileForm
from iqa_sr.config.class_arguments import errors_of_options
from iqa_sr.config.sections import read_section
from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset, MultiGTDatasetOptions
from iqa_sr.degradations.pipelines import build_degradation
from iqa_sr.errors import OptionError
from iqa_sr.guard.monitor import GuardedModel, RewardGuard
from iqa_sr.guard.options import GuardOptions
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.injection import inject
from iqa_sr.models.fine_tuned_model import FineTunedModel
from iqa_sr.models.generator_losses import GeneratorLosses, check_loss
from iqa_sr.models.gradient_norms import GradientNormLogger
from iqa_sr.models.ground_truth_selection import GroundTruthSelector
from iqa_sr.models.lora_training import LoRARun
from iqa_sr.models.nonfinite_guard import NonFiniteSkipper
from iqa_sr.models.optimizer_step import OptimizerStep
from iqa_sr.models.options import IQASRConfig
from iqa_sr.models.sampler_statistics import SamplerStatistics
from iqa_sr.models.train_options import AMP_TYPES
from iqa_sr.models.upscaling import upscale_image
from iqa_sr.models.validation import Validation
from iqa_sr.samplers import build_sampler
from iqa_sr.scores.experiment_folder import network_file

__all__ = ["IQASRModel"]

logger = logging.getLogger(__name__)

CHECKED_SIDE = 128  # px of the images that a loss is tried on; fewer where the training crops are smaller


class IQASRModel(FineTunedModel):
    """Trains an SR network with every loss under `train` whose key ends in `_opt`, against chosen ground truths.

    A batch comes from `MultiGTDataset` (the ground truth is chosen by the data set's sampler, the LQ made from the
    original by its degradation) or from any paired BasicSR data set.

    Args:
        opt: BasicSR's options.
        config: Typed sections `train` and `val` of these options; None to read them here.

    Raises:
        OptionError: If something is wrong with them.
    """

    def __init__(self, opt: dict[str, Any], config: IQASRConfig | None = None) -> None:
        super().__init__(opt)
        self.config = config or IQASRConfig.from_opt(opt)
        self.settings = self.config.train
        self._forwarded: set[str] = set()  # networks that have taken images
        self.form: FileForm | None = None  # of the generator's checkpoints, where it is not BasicSR's
        self.net_g = self._network("g")
        self.print_network(self.net_g)
        if self.config.val is not None:
            self.validator = Validation(self.opt, self.config.val, self.config.metrics)
            self.validator.build(self.device)
        if self.is_train:
            self._prepare_training()

    # --- Building -----------------------------------------------------------------------------------------------------

    def _network(self, letter: str) -> nn.Module:
        network = build_network(self.opt[f"network_{letter}"], f"network_{letter}")
        path = self.opt["path"]
        file = path.get(f"pretrain_network_{letter}")
        if file:
            key = path.get(f"param_key_{letter}", "params")
            try:
                self.load_network(network, file, path.get(f"strict_load_{letter}", True), key)
            except OSError as error:
                raise type(error)(f"path:pretrain_network_{letter}: {error}") from error
        if letter == "g" and self.opt["network_g"]["type"] == FROM_FILE:
            self.form = FileForm.read(self.opt["network_g"]["path"], network, self.opt["network_g"].get("param_key"))
        if letter == "g" and self.settings.lora is not None:
            self.lora = LoRARun(self.settings.lora, network, self.opt["network_g"], file, self.form)
        if self.settings.channels_last:
            network = network.to(memory_format=torch.channels_last)
        return cast(nn.Module, self.model_to_device(network))

    def _prepare_training(self) -> None:
        settings = self.settings
        self.ema_decay = settings.ema_decay
        if self.ema_decay > 0:
            self._make_average()
        losses = {name: self._loss(name) for name in self.config.losses}
        self.gradient_log = GradientNormLogger(settings.grad_log_freq, dict(losses))
        self.gan_loss = losses.pop("gan", None)
        self.losses = GeneratorLosses(losses, settings.accumulate)
        compared = self.validator is not None and self.validator.needs_base
        if self.lora is None and (compared or self.losses.need_base):
            self._frozen = self._load_base()
        self.net_d = self._network("d").train() if self.gan_loss is not None else None
        self.net_g.train()
        backend = "inductor" if settings.compile is True else settings.compile
        self._forward_g = torch.compile(self.net_g, backend=backend) if backend else self.net_g
        self.finite_guard = NonFiniteSkipper(settings.max_nonfinite)
        self._prepare_optimizers()
        if settings.guard is not None:
            self.reward_guard = self._make_guard(settings.guard)
        self.feed: GroundTruthSelector | None = None

    def _loss(self, name: str) -> nn.Module:
        config, path = self.config.losses[name], f"train:{name}_opt"
        loss = build_loss(config.section, path).to(self.device)
        if config.options is None:  # those of ours are known to be right
            side = self.opt["datasets"]["train"].get("gt_size") or CHECKED_SIDE
            check_loss(loss, config.section, path, min(int(side), CHECKED_SIDE), self.device)
        return loss

    def _make_average(self) -> None:
        """The moving average of the generator: a second network, as BasicSR keeps it."""
        self.net_g_ema = build_network(self.opt["network_g"]).to(self.device)
        path = self.opt["path"]
        if self.lora is not None:
            inject(self.net_g_ema, self.lora.options)
        if path.get("pretrain_network_g") and self.lora is None:
            strict = path.get("strict_load_g", True)
            self.load_network(self.net_g_ema, path["pretrain_network_g"], strict, "params_ema")
        else:
            self.model_ema(0)
        self.net_g_ema.eval().requires_grad_(False)

    def _prepare_optimizers(self) -> None:
        parameters = [p for p in self.net_g.parameters() if p.requires_grad]
        optim_g, optim_d = self.settings.optim_g, self.settings.optim_d
        self.add_optimizer(optim_g, "train:optim_g", parameters)
        if self.net_d is not None and optim_d is not None:
            self.add_optimizer(optim_d, "train:optim_d", self.net_d.parameters())
        self.setup_schedulers()
        fp16 = self.settings.amp == "fp16"
        self.scalers = [torch.amp.GradScaler(self.device.type, enabled=fp16) for _ in self.optimizers]
        networks = {"net_g": self.net_g} | ({} if self.net_d is None else {"net_d": self.net_d})
        self.steps = [
            OptimizerStep(optimizer, network, name, scaler, self.settings.grad_clip, self.finite_guard)
            for optimizer, (name, network), scaler in zip(self.optimizers, networks.items(), self.scalers, strict=True)
        ]

    def _make_guard(self, options: GuardOptions) -> RewardGuard:
        quality = self.losses.of_quality()
        reward_metrics = {name: options for loss in quality for name, options in loss.options.reward_metrics.items()}
        generators = list(self._generators().values())
        networks = [*generators, *([] if self.net_d is None else [self.get_bare_model(self.net_d)])]
        upscale = partial(upscale_image, opt=self.opt)
        guarded = GuardedModel(
            networks, generators[-1], self.optimizers, self.scalers, quality, upscale, self._guards_base
        )
        checks = options.checks(self.settings.total_iter)
        grid = self.opt["scale"] * side_multiple(self.opt["network_g"])
        return RewardGuard(options, reward_metrics, guarded, self.device, self.opt["rank"], checks, grid)

    def use_dataset(self, dataset: MultiGTDataset) -> None:
        """Choose by the sampler, and degrade by the degradation, of the data set that gives the batches."""
        assert dataset.options.gt_size is not None
        statistics = SamplerStatistics(dataset.folders)
        crop, gt_usm = dataset.options.gt_size, dataset.options.gt_usm
        self.feed = GroundTruthSelector(dataset.sampler, dataset.degradation, crop, self.device, statistics, gt_usm)

    # --- Data ---------------------------------------------------------------------------------------------------------

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Take a batch of MultiGTDataset, or one with `lq` and `gt` of any BasicSR data set."""
        self.files = [str(name) for name in data.get("gt_path", data.get("lq_path", []))]
        if "gts" in data:
            if self.feed is None:  # BasicSR's own loop does not hand the data set over: no names of folders there
                options = read_section(MultiGTDatasetOptions, self.opt["datasets"]["train"], "datasets:train")
                assert options.gt_size is not None
                sampler = build_sampler(options.sampler)
                degradation = build_degradation(options.degradation, options.scale)
                crop, gt_usm = options.gt_size, options.gt_usm
                self.feed = GroundTruthSelector(sampler, degradation, crop, self.device, gt_usm=gt_usm)
            self.lq, self.gt = self.feed(data)
        else:
            self.lq, self.gt = (data[key].to(self.device, non_blocking=True) for key in ("lq", "gt"))

    # --- One iteration ------------------------------------------------------------------------------------------------

    def optimize_parameters(self, current_iter: int) -> None:
        """One step of the generator and, with `gan_opt`, of the discriminator; one that is not finite is skipped."""
        if len(self.lq) % self.settings.accumulate:
            raise OptionError(
                f"train:accumulate: expected a divisor of the batch {len(self.lq)}, got {self.settings.accumulate}"
            )
        terms: dict[str, Tensor] = {}
        settings = self.settings
        train_g = current_iter % settings.net_d_iters == 0 and current_iter > settings.net_d_init_iters
        if self.net_d is None or train_g:
            taken = self._step_generator(current_iter, terms)
        else:
            with torch.no_grad():
                self.output = self._generate(self.lq)
            taken = True
        if taken and self.net_d is not None:
            taken = self._step_discriminator(current_iter, terms)
        if taken:
            self.finite_guard.passed()
            if self.ema_decay > 0:
                self.model_ema(self.ema_decay)
        self.log_dict = self.reduce_loss_dict(terms)

    def _autocast(self) -> AbstractContextManager[Any]:
        kind = self.settings.amp
        return torch.autocast(self.device.type, dtype=AMP_TYPES[kind]) if kind else nullcontext()

    @torch.no_grad()
    def base_output(self, lq: Tensor) -> Tensor:
        """Result of the base for `(N, 3, h, w)` LQ: `(N, 3, H, W)` float32 without gradient, in the run's precision."""
        if self.settings.channels_last:
            lq = lq.contiguous(memory_format=torch.channels_last)
        with self.base() as network, self._autocast(), self._first_forward("g", network):
            output: Tensor = network(lq)
        return output.float()

    def _generate(self, lq: Tensor) -> Tensor:
        if self.settings.channels_last:
            lq = lq.contiguous(memory_format=torch.channels_last)
        with self._autocast(), self._first_forward("g", self.net_g):
            output = self._forward_g(lq)
        return cast(Tensor, output.float())

    def _discriminate(self, image: Tensor) -> Tensor:
        assert self.net_d is not None
        with self._autocast(), self._first_forward("d", self.net_d):
            logits = self.net_d(image)
        return cast(Tensor, logits.float())

    def _first_forward(self, letter: str, network: nn.Module) -> AbstractContextManager[None]:
        """Around the forward of a network, whose first errors are those of its options."""
        if letter in self._forwarded:
            return nullcontext()
        self._forwarded.add(letter)
        section, kind = self.opt[f"network_{letter}"], type(self.get_bare_model(network))
        return errors_of_options(section, f"network_{letter}", kind, "cannot take the training images")

    def _chunks(self, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """The batch in `train:accumulate` equal parts, whose gradients add up to those of the whole."""
        return zip(*(tensor.chunk(self.settings.accumulate) for tensor in tensors), strict=True)

    def _step_generator(self, iteration: int, terms: dict[str, Tensor]) -> bool:
        if self.net_d is not None:
            self.net_d.requires_grad_(False)
        self.optimizers[0].zero_grad()
        outputs: list[Tensor] = []
        for lq, gt in self._chunks(self.lq, self.gt):
            base = self.base_output(lq) if self.losses.need_base else None
            output = self._generate(lq)
            losses = self._generator_losses(output, gt, base)
            self._add_terms(terms, losses | self.losses.figures())
            if self.finite_guard.stops_step(losses, iteration, self.files):
                return False
            if not outputs and self.gradient_log.wanted(iteration):
                self._log_gradients(losses, output, iteration)
            self._backward(sum(losses.values()), 0)
            outputs.append(output.detach())
        self.output = torch.cat(outputs)
        return self._step(0, iteration)

    def _generator_losses(self, output: Tensor, gt: Tensor, base: Tensor | None) -> dict[str, Tensor]:
        losses = self.losses(output, gt, base)
        if self.gan_loss is not None:
            losses["l_g_gan"] = self.gan_loss(self._discriminate(output), True, is_disc=False)
        return losses

    def _log_gradients(self, losses: Mapping[str, Tensor], output: Tensor, iteration: int) -> None:
        self.gradient_log.measure(losses, output)
        if iteration == 1:
            logger.info(self.gradient_log.describe(self.losses.log_names() | {"l_g_gan": "gan"}))

    def _step_discriminator(self, iteration: int, terms: dict[str, Tensor]) -> bool:
        assert self.net_d is not None and self.gan_loss is not None
        self.net_d.requires_grad_(True)
        self.optimizers[1].zero_grad()
        for gt, output in self._chunks(self.gt, self.output):
            for name, image, real in (("real", gt, True), ("fake", output, False)):
                logits = self._discriminate(image)
                loss = self.gan_loss(logits, real, is_disc=True)
                self._add_terms(terms, {f"l_d_{name}": loss, f"out_d_{name}": logits.mean()})
                if self.finite_guard.stops_step({f"l_d_{name}": loss}, iteration, self.files):
                    return False
                self._backward(loss, 1)
        return self._step(1, iteration)

    def _add_terms(self, terms: dict[str, Tensor], found: Mapping[str, Tensor]) -> None:
        for name, value in found.items():
            terms[name] = terms.get(name, 0) + value.detach() / self.settings.accumulate

    def _backward(self, loss: Any, which: int) -> None:
        self.scalers[which].scale(loss / self.settings.accumulate).backward()

    def _step(self, which: int, iteration: int) -> bool:
        return self.steps[which](iteration, self.files)

    def get_current_log(self) -> dict[str, float]:
        """The losses of the last iteration, the latest gradient norms, what the sampler did since the last call."""
        log = {**self.log_dict, **self.gradient_log.take()}
        if self.feed is not None:
            log |= self.feed.statistics.report()
            self.feed.statistics.reset()
        return log

    # --- Saving -------------------------------------------------------------------------------------------------------

    def save(self, epoch: int, current_iter: int) -> None:
        """Write the networks, and the training state last: a state on disk means that its networks are there."""
        self.save_generator(current_iter)
        if self.net_d is not None:
            self.save_network(self.net_d, "net_d", current_iter)
        self.save_training_state(epoch, current_iter)

    def save_generator(self, label: int | str) -> None:
        """Write `net_g_<label>.pth` with `params` and, with EMA, `params_ema`; with LoRA merged, and its adapter.

        A network of the type `spandrel` is written in the form of the file that it came from, with EMA its average.
        """
        networks = self._generators()
        models = Path(self.opt["path"]["models"])
        if self.lora is None and self.form is None:
            self.save_network(list(networks.values()), "net_g", label, param_key=list(networks))
        elif self.opt["rank"] == 0 and self.lora is not None:
            self.lora.save(networks, models, label)
        elif self.opt["rank"] == 0 and self.form is not None:
            tested = list(networks.values())[-1]
            fold(tested)
            self.form.write(tested.state_dict(), network_file(models, "g", label, self.form.suffix))

    def _generators(self) -> dict[str, nn.Module]:
        """The generator and, with EMA, its average, by their keys in checkpoints."""
        networks = {"params": self.get_bare_model(self.net_g)}
        return networks | ({"params_ema": self.net_g_ema} if self.ema_decay > 0 else {})

    def training_extras(self) -> dict[str, Any]:
        """State that an exact resume needs beyond BasicSR's training state."""
        return {
            **self.iteration_extras(),
            "scalers": [scaler.state_dict() for scaler in self.scalers],
            "lora": self.lora.state(self._generators()) if self.lora is not None else None,
            "network": self._unsaved_network(),
            "base": None if self._frozen is None else state_digest(self._frozen.state_dict()),
            "guard": self.reward_guard.state() if self.reward_guard is not None else None,
        }

    def _unsaved_network(self) -> dict[str, Tensor] | None:
        """The trained weights, where the file of the generator holds their average alone."""
        if self.form is None or self.lora is not None or self.ema_decay <= 0:
            return None
        return {name: value.cpu() for name, value in self.get_bare_model(self.net_g).state_dict().items()}

    def load_training_extras(self, extras: Mapping[str, Any]) -> None:
        """Take up the state that `training_extras()` gave, to resume exactly."""
        # A discriminator may have come or gone.
        for scaler, state in zip(self.scalers, extras["scalers"], strict=False):
            if scaler.is_enabled() and state:
                scaler.load_state_dict(state)
        self.load_iteration_extras(extras)
        self._check_base(extras.get("base"))
        if self.lora is not None:
            self.lora.load_state(extras["lora"], self._generators())
        if extras.get("network") is not None:
            self.get_bare_model(self.net_g).load_state_dict(extras["network"])
        if self.reward_guard is not None:
            self.reward_guard.load_state(extras.get("guard"))
        elif extras.get("guard") and extras["guard"]["factor"] < 1:
            logger.warning(
                f"Guard: had scaled the IQA loss weights to {extras['guard']['factor']:.3g}x of their initial value; "
                "without train:guard they have their initial value again."
            )

    def iteration_extras(self) -> dict[str, Any]:
        """The skipped steps in a row, what the sampler did since the last line of the log, and what losses measured."""
        statistics = self.feed.statistics.state() if self.feed is not None else None
        extras = {"nonfinite_in_a_row": self.finite_guard.in_a_row, "statistics": statistics}
        units = self.losses.units()
        return extras | ({"units": units} if units else {})

    def load_iteration_extras(self, extras: Mapping[str, Any]) -> None:
        """Restore the state that `iteration_extras()` gave, to take an iteration back."""
        self.finite_guard.in_a_row = extras["nonfinite_in_a_row"]
        if self.feed is not None and extras["statistics"] is not None:
            self.feed.statistics.load(extras["statistics"])
        self.losses.load_units(extras.get("units", {}))
