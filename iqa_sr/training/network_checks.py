"""Check that the networks of a run are what its option file says: small images through each, before the run begins."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from iqa_sr.archs.spandrel_loader import FROM_FILE
from iqa_sr.basicsr_compat import ARCH_REGISTRY, network_argument, upscales_images
from iqa_sr.config.class_arguments import odd_values
from iqa_sr.errors import OptionError, shown
from iqa_sr.models.sr_model_base import SRModelBase
from iqa_sr.runtime import rng_state
from iqa_sr.runtime.memory import is_out_of_memory

__all__ = ["check_networks"]

_NETWORKS = ("net_g", "net_d", "net_g_ema")
_CHANNELS = ("num_in_ch", "in_chans", "in_channels", "num_out_ch", "out_channels")
_PATCH = 32  # LQ px: the side of a training patch that the options do not tell
_PERIOD = 32  # LQ px: what a network asks of a side is asked of one that differs by multiples of this, too


def check_networks(model: Any, opt: Mapping[str, Any], sides: Iterable[int] = ()) -> None:
    """Push a training patch through the generator and its result through the discriminator, then what validation has.

    Nothing of the run changes: the networks are in evaluation mode meanwhile, and the random generators are put back.
    Models whose input is no batch of images (videos, styles) are left to themselves.

    Args:
        model: A built model, ours or BasicSR's.
        opt: Options of the run, as BasicSR reads them.
        sides: Heights and widths in pixels of the validation's LQ images.

    Raises:
        OptionError: With the network's type, the shape that was expected and what came instead.
    """
    found = {name: value for name, value in vars(model).items() if name in _NETWORKS and isinstance(value, nn.Module)}
    networks = {name: model.get_bare_model(network) for name, network in found.items()}
    if "net_g" not in networks or not (isinstance(model, SRModelBase) or upscales_images(model)):
        return
    with torch.no_grad(), rng_state.preserved(), _evaluating(networks.values()):
        try:
            _check_patch(networks, model.device, opt)
            _check_validation(model, opt, sides)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):  # which is told where it hurts
                raise


@contextmanager
def _evaluating(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Inside, every layer is in evaluation mode; then each is again in the mode that it was in."""
    modes = {layer: layer.training for network in networks for layer in network.modules()}
    try:
        for layer in modes:
            layer.training = False
        yield
    finally:
        for layer, training in modes.items():
            layer.training = training


def _check_patch(networks: Mapping[str, nn.Module], device: torch.device, opt: Mapping[str, Any]) -> None:
    scale, channels = opt.get("scale", 1), _channels(opt["datasets"]["train"])
    crop = opt.get("gt_size", opt["datasets"]["train"].get("gt_size"))  # Real-ESRGAN's models crop by themselves
    crop = crop if isinstance(crop, int) else _PATCH * scale
    if crop % scale:
        raise OptionError(f"datasets:train:gt_size: expected a multiple of the scale {scale}, got {crop}")
    image = torch.full((1, channels, crop // scale, crop // scale), 0.5, device=device)
    output = _output(networks["net_g"], image, opt["network_g"], f"a training patch of gt_size {crop} by scale {scale}")
    _check_output(output, image, opt)
    if "net_d" in networks:
        output_d = _output(
            networks["net_d"], output, opt["network_d"], f"a ground truth of gt_size {crop}", "network_d"
        )
        if not isinstance(output_d, Tensor):
            kind = opt["network_d"]["type"]
            raise OptionError(f"network_d: {kind}: expected one tensor from a discriminator, got {_shape(output_d)}")


def _check_validation(model: Any, opt: Mapping[str, Any], sides: Iterable[int]) -> None:
    """Check an LQ image of the smallest side of the validation, and one of the side least divisible by 2.

    A large side is replaced by a smaller one that is as odd; only what the network refuses at both is refused.
    """
    known, channels = sorted(set(sides)), _channels(opt["datasets"]["train"])
    for key, section in opt["datasets"].items():
        if known and _channels(section) != channels:
            raise OptionError(
                f"datasets:{key}:color: expected images of {channels} channels, as of datasets:train, got "
                f"{_channels(section)}; color: y gives one"
            )
    upscale = model.upscale if isinstance(model, SRModelBase) else partial(_tested, model)
    for side in dict.fromkeys([*known[:1], *sorted(known, key=lambda side: side & -side)[:1]]):
        small = side if side < 2 * _PERIOD else _PERIOD + side % _PERIOD
        for tried in dict.fromkeys((small, side)):
            image = torch.full((1, channels, tried, tried), 0.5, device=model.device)
            try:
                _check_output(_output(upscale, image, opt["network_g"], "an image of the validation"), image, opt)
                break
            except OptionError:
                if tried == side:
                    raise


def _tested(model: Any, lq: Tensor) -> Tensor:
    """Result of a model of BasicSR for an image in its validation."""
    model.lq = lq
    try:
        model.test()
        output: Tensor = model.output
    finally:
        for name in ("lq", "output"):
            vars(model).pop(name, None)
    return output


def _channels(section: Mapping[str, Any]) -> int:
    """Number of channels of a data set's images: BasicSR's paired ones can be of luma alone."""
    return 1 if section.get("color") == "y" else 3


# --- One image through one network ------------------------------------------------------------------------------------


def _output(
    network: Callable[[Tensor], Any], image: Tensor, section: Mapping[str, Any], what: str, key: str = "network_g"
) -> Any:
    """Run the network on an image; whatever it raises becomes an OptionError in one line."""
    try:
        return network(image)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = (str(error).splitlines() or [""])[0]
        raise OptionError(
            f"{key}: {_named(section)} does not take {tuple(image.shape)} (N, C, H, W), {what}: "
            f"{type(error).__name__}: {reason}{_hint(section, image.shape[1], reason, key)}"
        ) from error


def _check_output(output: Any, image: Tensor, opt: Mapping[str, Any]) -> None:
    count, channels, height, width = image.shape
    section, scale = opt["network_g"], opt.get("scale", 1)
    expected = (count, channels, height * scale, width * scale)
    if not isinstance(output, Tensor) or tuple(output.shape) != expected:
        raise OptionError(
            f"network_g: {_named(section)} makes {_shape(output)} of {tuple(image.shape)} (N, C, H, W), expected "
            f"{expected} by scale {scale}{_hint(section, channels, '', 'network_g')}"
        )
    if not output.isfinite().all():
        raise OptionError(
            f"network_g: {_named(section)} makes values that are not finite of a gray image of {height}x{width} px; "
            "its weights are finite, so it is one of its options"
        )


def _named(section: Mapping[str, Any]) -> str:
    return f"the network of {section['path']}" if section["type"] == FROM_FILE else str(section["type"])


def _shape(output: Any) -> str:
    return str(tuple(output.shape)) if isinstance(output, Tensor) else f"a {type(output).__name__}"


def _hint(section: Mapping[str, Any], channels: int, reason: str, key: str) -> str:
    """Likely cause, where that can be told."""
    given = {name: network_argument(section, name) for name in _CHANNELS}
    other = [
        f"{key}:{name}: expected {channels}, got {value}"
        for name, value in given.items()
        if value not in (None, channels)
    ]
    if other:
        return (
            "\n"
            + "\n".join(other)
            + (" (datasets:train:color: y gives images of one channel)" if 1 in given.values() else "")
        )
    network = ARCH_REGISTRY.get(section["type"])
    if odd := odd_values(section, network):
        lines = [
            f"{key}:{name}: expected a value like its default {shown(odd[name])}, got {shown(section[name])}"
            for name in odd
        ]
        return "\n" + "\n".join(lines)
    if "expected 5" in reason:
        return "; is it a network for videos?"
    if "_ext" in reason:
        return "; BasicSR was installed without its compiled operators"
    return ""
