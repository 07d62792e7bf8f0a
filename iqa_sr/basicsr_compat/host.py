"""The only module that imports BasicSR: what is used of it, and what has to be arranged for it to work today.

BasicSR 1.4.2 is from 2022 and stays as it is on disk. `accommodate()` rebinds, from outside, what breaks or silently
goes wrong with today's torch, torchvision, numpy and scipy, on machines without CUDA, or at all. Each accommodation
says what it is for. A BasicSR that has the cure already (basicsr-fixed, git master) is used as it is found.
"""

import importlib
import sys
import types
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, cast

import torch
import torchvision
from torch import Tensor, nn

from iqa_sr.io.tensor_files import load_state, read_tensor_file, select_state_dict, write_tensor_file
from iqa_sr.runtime import distributed
from iqa_sr.weights.store import find_weights

__all__ = [
    "ARCH_REGISTRY",
    "DATASET_REGISTRY",
    "LOSS_REGISTRY",
    "METRIC_REGISTRY",
    "MODEL_REGISTRY",
    "BaseModel",
    "accommodate",
    "basicsr_version",
    "build_dataset",
    "build_loss",
    "build_model",
    "build_network",
    "calculate_metric",
    "claim_logger",
    "forgiving_metric",
    "get_root_logger",
    "registered",
]


def _alias(name: str, **content: Any) -> None:
    """Provide a module that BasicSR imports and that no longer exists."""
    try:
        importlib.import_module(name)
    except ImportError:
        module = types.ModuleType(name)
        module.__dict__.update(content)
        sys.modules[name] = module


def _provide_removed_modules() -> None:
    """What `import basicsr` looks for and does not find.

    * torchvision 0.17 removed `transforms.functional_tensor`; BasicSR's degradations import one function from it.
    * Python 3.12 removed `distutils`; its shim in setuptools may be switched off.
    * SciPy 2.0 removes `scipy.ndimage.filters`; BasicSR's NIQE imports `convolve` from it.
    """
    import scipy.ndimage
    from torchvision.transforms.functional import rgb_to_grayscale

    _alias("torchvision.transforms.functional_tensor", rgb_to_grayscale=rgb_to_grayscale)
    _alias("scipy.ndimage.filters", convolve=scipy.ndimage.convolve)
    try:
        importlib.import_module("distutils.version")
    except ImportError:
        from packaging.version import Version

        _alias("distutils")
        _alias("distutils.version", LooseVersion=Version)


# These stand in for imports that fail, so they have to happen before the imports below; spawned loader workers
# import this module again and get them too.
_provide_removed_modules()

try:
    import basicsr
except ModuleNotFoundError as _error:
    if _error.name != "basicsr":
        raise
    raise ModuleNotFoundError(
        "BasicSR is not installed; install it with `pip install basicsr` (Python 3.12 or older), or see\n"
        "'Other ways to install' in the README.",
        name="basicsr",
    ) from None

import basicsr.archs.swinir_arch
import basicsr.archs.vgg_arch
import basicsr.data.degradations
import basicsr.models.realesrgan_model
import basicsr.models.realesrnet_model
import basicsr.models.sr_model
import basicsr.utils.img_process_util
from basicsr.archs import build_network
from basicsr.data import build_dataset
from basicsr.losses import build_loss
from basicsr.metrics import calculate_metric
from basicsr.models import build_model
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from basicsr.utils import logger as basicsr_logger
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY

_accommodated = False


def basicsr_version() -> str:
    """Version of the BasicSR that was found."""
    return str(getattr(basicsr, "__version__", "unknown"))


def registered(registry: Any) -> list[str]:
    """The names that an option file can use, BasicSR's own suffix left off."""
    return sorted({name.removesuffix("_basicsr") for name in registry.keys()})  # noqa: SIM118 - not a dict


def claim_logger() -> None:
    """Tell BasicSR that the logger `basicsr` has its handlers already."""
    basicsr_logger.initialized_logger["basicsr"] = True


def accommodate() -> None:
    """Rebind what has to be rebound; a second call changes nothing."""
    global _accommodated
    if _accommodated:
        return
    _accommodated = True
    # SwinIR's own use of meshgrid; nothing that a user could do about it.
    warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)
    _accommodate_files()
    _accommodate_optimisation()
    _accommodate_devices()
    _accommodate_validation()
    _accommodate_real_esrgan()
    _accommodate_vgg()


# --- Files ------------------------------------------------------------------------------------------------------------


def _accommodate_files() -> None:
    """Checkpoints: BasicSR retries three times, then goes on without a file; a killed write leaves half a file; a file
    of another network or one with pickled code ends in a stack trace."""
    BaseModel.save_network = _save_network
    BaseModel.save_training_state = _save_training_state
    BaseModel.load_network = _load_network


def _save_network(self: Any, net: Any, net_label: str, current_iter: int | str, param_key: Any = "params") -> None:
    """As BasicSR's, but the file is written whole or not at all, and a failure is an error."""
    if self.opt["rank"] != 0:
        return
    nets = net if isinstance(net, list) else [net]
    keys = param_key if isinstance(param_key, list) else [param_key]
    content = {
        key: {
            name.removeprefix("module."): value.cpu() for name, value in self.get_bare_model(one).state_dict().items()
        }
        for key, one in zip(keys, nets, strict=True)
    }
    label = "latest" if current_iter == -1 else current_iter
    write_tensor_file(content, f"{self.opt['path']['models']}/{net_label}_{label}.pth")


def _save_training_state(self: Any, epoch: int, current_iter: int) -> None:
    """As BasicSR's, with what `extra_training_state` gives (set by our loop, for an exact resume), written whole."""
    if current_iter == -1:
        return
    extra = getattr(self, "extra_training_state", None)
    state = {
        "epoch": epoch,
        "iter": current_iter,
        "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
        **(extra() if extra else {}),
    }
    if self.opt["rank"] == 0:
        write_tensor_file(state, f"{self.opt['path']['training_states']}/{current_iter}.state")


def _load_network(
    self: Any, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
) -> None:
    """As BasicSR's, reading tensors only, with an error that lists a few keys."""
    network = self.get_bare_model(net)
    state = select_state_dict(read_tensor_file(load_path), load_path, param_key)
    left_out = load_state(network, state, load_path, strict)
    get_root_logger().info(f"Loaded {type(network).__name__} from {load_path} ({param_key}).")
    if left_out:
        get_root_logger().warning(f"{len(left_out)} keys not loaded from {load_path}: {', '.join(left_out[:5])}")


# --- Optimisers, schedules, EMA ---------------------------------------------------------------------------------------


def _accommodate_optimisation() -> None:
    """Only Adam is known to 1.4.2; a warm-up leaves MultiStepLR short for the rest of the run; EMA copies no buffers
    and lets frozen weights drift; `PerceptualLoss` with `l2` uses a class that torch never had."""
    BaseModel.get_optimizer = _get_optimizer
    BaseModel.update_learning_rate = _update_learning_rate
    BaseModel.model_ema = _model_ema
    if not hasattr(torch.nn, "L2loss"):
        torch.nn.L2loss = torch.nn.MSELoss  # type: ignore[attr-defined]


def _get_optimizer(self: Any, optim_type: str, params: Any, lr: float, **kwargs: Any) -> torch.optim.Optimizer:
    """Any optimiser of `torch.optim` by its name; Adam and AdamW as one fused kernel unless the options say how."""
    optimizer = getattr(torch.optim, str(optim_type), None)
    if not (isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer)):
        raise ValueError(f"optimiser {optim_type!r} does not exist in torch.optim; Adam and AdamW are the usual ones")
    if optim_type in ("Adam", "AdamW") and not {"fused", "foreach", "capturable", "differentiable"} & set(kwargs):
        kwargs["fused"] = True
    return cast(torch.optim.Optimizer, optimizer(params, lr=lr, **kwargs))  # type: ignore[call-arg]


def _update_learning_rate(self: Any, current_iter: int, warmup_iter: int = -1) -> None:
    """The scheduled rate, scaled linearly from 0 during the first `warmup_iter` iterations."""
    for scheduler in self.schedulers:
        if current_iter > 1:
            # MultiStepRestartLR multiplies the rate that it finds in the optimiser: give it the unscaled one.
            _set_rates(scheduler, scheduler.get_last_lr(), 1.0)
            with warnings.catch_warnings():  # torch counts steps; one that is skipped as not finite is no wrong order
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
                scheduler.step()
        if current_iter < warmup_iter:
            _set_rates(scheduler, scheduler.get_last_lr(), current_iter / warmup_iter)


def _set_rates(scheduler: Any, rates: list[float], factor: float) -> None:
    for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor


def _model_ema(self: Any, decay: float = 0.999) -> None:
    """Moving average of the trainable parameters; buffers and frozen parameters are copied."""
    source = self.get_bare_model(self.net_g)
    averages, buffers = dict(self.net_g_ema.named_parameters()), dict(self.net_g_ema.named_buffers())
    trained = {name: p for name, p in source.named_parameters() if p.requires_grad and decay > 0}
    with torch.no_grad():
        if trained:  # all of them in one call: a small network has hundreds of tiny tensors
            targets = [averages[name] for name in trained]
            torch._foreach_mul_(targets, decay)
            torch._foreach_add_(targets, list(trained.values()), alpha=1 - decay)
        for name, parameter in source.named_parameters():
            if name not in trained:
                averages[name].copy_(parameter)
        for name, buffer in source.named_buffers():
            buffers[name].copy_(buffer)


# --- Devices and processes --------------------------------------------------------------------------------------------


def _accommodate_devices() -> None:
    """DDP asks for a CUDA device, and its buffer broadcast gets out of step when rank 0 alone validates; without it
    DDP leaves each process with buffers of its own from the start. SwinIR gives a tensor with channels-last strides,
    on which VGGStyleDiscriminator's `view` fails."""
    BaseModel.model_to_device = _model_to_device
    swinir = basicsr.archs.swinir_arch.SwinIR
    forward = swinir.forward

    @wraps(forward)
    def contiguous_forward(self: Any, x: Tensor) -> Tensor:
        return cast(Tensor, forward(self, x).contiguous())

    swinir.forward = contiguous_forward


def _model_to_device(self: Any, net: nn.Module) -> nn.Module:
    """The network on its device, wrapped for several processes (DDP) or for several GPUs of one (DataParallel)."""
    net = net.to(self.device)
    if self.opt["dist"]:
        distributed.share_buffers(net)  # spectral norms begin at random, and weigh all that is computed
        return nn.parallel.DistributedDataParallel(
            net,
            device_ids=[torch.cuda.current_device()] if self.device.type == "cuda" else None,
            broadcast_buffers=False,
            find_unused_parameters=self.opt.get("find_unused_parameters", False),
        )
    return nn.DataParallel(net) if self.opt["num_gpu"] > 1 else net


# --- Validation -------------------------------------------------------------------------------------------------------


def _accommodate_validation() -> None:
    """A metric that fails on one picture, or has no ground truth, kills the run; `tensor2img` clamps its argument in
    place on the CPU; OpenCV takes JPEG qualities as whole numbers only."""
    basicsr.models.sr_model.calculate_metric = forgiving_metric
    tensor2img = basicsr.models.sr_model.tensor2img

    def copying_tensor2img(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        copies = [one.clone() for one in tensor] if isinstance(tensor, list) else tensor.clone()
        return tensor2img(copies, *args, **kwargs)

    basicsr.models.sr_model.tensor2img = copying_tensor2img
    degradations = basicsr.data.degradations
    compress = degradations.add_jpg_compression
    degradations.add_jpg_compression = lambda img, quality=90: compress(img, int(quality))


def forgiving_metric(data: Mapping[str, Any], opt: Mapping[str, Any]) -> float:
    """BasicSR's metric of one picture; NaN (never the best) and a warning where it cannot be computed."""
    try:
        return float(calculate_metric(data, opt))
    except (ArithmeticError, AssertionError, RuntimeError, TypeError, ValueError) as error:
        # numpy's LinAlgError is a ValueError; a metric that misses its ground truth raises a TypeError
        get_root_logger().warning(f"{opt.get('type')} could not be computed: {error}")
        return float("nan")


# --- Real-ESRGAN without CUDA -----------------------------------------------------------------------------------------


def _accommodate_real_esrgan() -> None:
    """The stock Real-ESRGAN models call `.cuda()` on helpers and on their pool, and their blur needs contiguous input,
    which the JPEG simulation and the resizing do not give on the CPU."""
    filter2d = basicsr.utils.img_process_util.filter2D

    def contiguous_filter2d(img: Tensor, kernel: Tensor) -> Tensor:
        return cast(Tensor, filter2d(img.contiguous(), kernel))

    modules = (basicsr.models.realesrgan_model, basicsr.models.realesrnet_model)
    for module in (basicsr.utils.img_process_util, *modules):
        module.filter2D = contiguous_filter2d
    if torch.cuda.is_available():
        return
    for module in modules:
        module.DiffJPEG = _staying_on_cpu(module.DiffJPEG)
        module.USMSharp = _staying_on_cpu(module.USMSharp)
        for name in ("RealESRGANModel", "RealESRNetModel"):
            model = getattr(module, name, None)
            if model is not None:
                model._dequeue_and_enqueue = _with_cpu_pool(model._dequeue_and_enqueue)


def _staying_on_cpu(helper: type[nn.Module]) -> type[nn.Module]:
    return type(helper.__name__, (helper,), {"cuda": lambda self, device=None: self})


def _with_cpu_pool(method: Callable[[Any], None]) -> Callable[[Any], None]:
    """Make the pool before BasicSR does, which would put it on a CUDA device."""

    @wraps(method)
    def wrapped(self: Any) -> None:
        if not hasattr(self, "queue_lr"):
            batch = len(self.lq)
            if self.queue_size % batch:
                raise ValueError(f"queue_size: expected a multiple of the batch size {batch}, got {self.queue_size}")
            self.queue_lr = self.lq.new_zeros(self.queue_size, *self.lq.shape[1:])
            self.queue_gt = self.gt.new_zeros(self.queue_size, *self.gt.shape[1:])
            self.queue_ptr = 0
        method(self)

    return wrapped


# --- VGG of the perceptual loss ---------------------------------------------------------------------------------------


class _VGGNetworks:
    """Stands for `torchvision.models.vgg` inside BasicSR's feature extractor."""

    def __getattr__(self, name: str) -> Callable[..., nn.Module]:
        network = getattr(torchvision.models.vgg, name)
        if name not in VGG_FILES:
            return cast(Callable[..., nn.Module], network)

        def build(pretrained: bool = False) -> nn.Module:
            vgg = network(weights=None)
            if pretrained:
                state = read_tensor_file(_vgg_file(VGG_FILES[name]))
                vgg.features.load_state_dict({key: state[f"features.{key}"] for key in vgg.features.state_dict()})
            return cast(nn.Module, vgg)

        return build


VGG_FILES = {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}


def _vgg_file(name: str) -> Path:
    """Where BasicSR's users keep it, or the weights store's copy."""
    usual = Path("experiments/pretrained_models") / name
    return usual if usual.is_file() else find_weights(name)


def _accommodate_vgg() -> None:
    """BasicSR loads `experiments/pretrained_models/vgg19-dcbb9e9d.pth` into whichever VGG is asked for, and without it
    ends in a download error: here each VGG gets its own file, and a missing one is named with the place to put it."""
    basicsr.archs.vgg_arch.VGG_PRETRAIN_PATH = ""
    basicsr.archs.vgg_arch.vgg = _VGGNetworks()
