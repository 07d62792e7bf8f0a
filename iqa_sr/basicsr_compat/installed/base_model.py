"""Methods of BasicSR's `BaseModel`, which all its models inherit: devices, optimizers, checkpoints."""

from typing import Any

from basicsr.models.base_model import BaseModel

from iqa_sr.basicsr_compat.checkpoint_files import load_network, save_network, save_training_state
from iqa_sr.basicsr_compat.model_methods import model_ema, model_to_device, update_best_metric_result
from iqa_sr.basicsr_compat.optimizers import get_optimizer, update_learning_rate

__all__ = ["PATCHES"]

PATCHES: tuple[tuple[Any, str, Any], ...] = (
    # BasicSR's DDP asks for a CUDA device, and its buffer broadcast gets out of step when rank 0 alone validates;
    # without it DDP leaves each process with buffers of its own from the start.
    (BaseModel, "model_to_device", model_to_device),
    # Only Adam is known to 1.4.2.
    (BaseModel, "get_optimizer", get_optimizer),
    # A warm-up leaves MultiStepLR short for the rest of the run.
    (BaseModel, "update_learning_rate", update_learning_rate),
    # A mean that is infinite stays the best for ever.
    (BaseModel, "_update_best_metric_result", update_best_metric_result),
    # EMA copies no buffers and lets frozen weights drift.
    (BaseModel, "model_ema", model_ema),
    # BasicSR tries three times to write, then goes on without a file; a killed write leaves half a file.
    (BaseModel, "save_network", save_network),
    (BaseModel, "save_training_state", save_training_state),
    # A file of another network or one with pickled code ends in a stack trace.
    (BaseModel, "load_network", load_network),
)
