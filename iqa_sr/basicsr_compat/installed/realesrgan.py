"""The stock Real-ESRGAN models on machines without CUDA."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

import torch
from basicsr.models import realesrgan_model, realesrnet_model
from basicsr.models.realesrgan_model import RealESRGANModel
from basicsr.models.realesrnet_model import RealESRNetModel
from basicsr.utils import img_process_util
from torch import Tensor, nn

__all__ = ["PATCHES"]

_filter2d = img_process_util.filter2D


def contiguous_filter2d(img: Tensor, kernel: Tensor) -> Tensor:
    """BasicSR's `filter2D`, for images of any strides."""
    return cast(Tensor, _filter2d(img.contiguous(), kernel))


def _staying_on_cpu(helper: type[nn.Module]) -> type[nn.Module]:
    def cuda(self: nn.Module, device: Any = None) -> nn.Module:
        return helper.cuda(self, device) if torch.cuda.is_available() else self

    return type(helper.__name__, (helper,), {"cuda": cuda})


def _with_cpu_pool(method: Callable[[Any], None]) -> Callable[[Any], None]:
    """Make the pool before BasicSR does, which would put it on a CUDA device."""

    @wraps(method)
    def wrapped(self: Any) -> None:
        if not hasattr(self, "queue_lr") and not torch.cuda.is_available():
            batch = len(self.lq)
            if self.queue_size % batch:
                raise ValueError(f"queue_size: expected a multiple of the batch size {batch}, got {self.queue_size}")
            self.queue_lr = self.lq.new_zeros(self.queue_size, *self.lq.shape[1:])
            self.queue_gt = self.gt.new_zeros(self.queue_size, *self.gt.shape[1:])
            self.queue_ptr = 0
        method(self)

    return wrapped


_MODULES = (realesrgan_model, realesrnet_model)

PATCHES: tuple[tuple[Any, str, Any], ...] = (
    # The blur needs contiguous input, which the JPEG simulation and the resizing do not give on the CPU.
    *((module, "filter2D", contiguous_filter2d) for module in (img_process_util, *_MODULES)),
    # The models call `.cuda()` on their helpers and their pool.
    *(
        (module, name, _staying_on_cpu(getattr(module, name)))
        for module in _MODULES
        for name in ("DiffJPEG", "USMSharp")
    ),
    *(
        (model, "_dequeue_and_enqueue", _with_cpu_pool(model._dequeue_and_enqueue))
        for model in (RealESRGANModel, RealESRNetModel)
    ),
)
