"""Licenses of the architectures that spandrel knows, and the registry with all of those that are installed."""

import importlib
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

__all__ = ["UNKNOWN", "ArchitectureLicense", "architecture_license", "registry"]


@dataclass(frozen=True)
class ArchitectureLicense:
    """License of the code of an architecture; weights have licenses of their own.

    Attributes:
        name: Name of the license, as SPDX writes it where it has one.
        noncommercial: Reason why the code may not be used commercially; empty where nothing published forbids it.
    """

    name: str
    noncommercial: str = ""


_APACHE, _BSD, _MIT = (ArchitectureLicense(name) for name in ("Apache-2.0", "BSD-3-Clause", "MIT"))
_ACADEMIC = ArchitectureLicense(
    "Academic Public License", "its code is free for noncommercial use only (Academic Public License)"
)
_BY_NC = ArchitectureLicense("CC-BY-NC-4.0", "its code is under CC BY-NC 4.0")
_BY_NC_SA = ArchitectureLicense("CC-BY-NC-SA-4.0", "its code is under CC BY-NC-SA 4.0")
_GFPGAN = ArchitectureLicense(
    "Apache-2.0 with parts of StyleGAN2 and DFDNet",
    "its license leaves parts to the terms of StyleGAN2 (NVIDIA, noncommercial) and DFDNet (CC BY-NC-SA 4.0)",
)

_LICENSES = {
    # By spandrel's identifiers, from the license file beside each architecture there.
    "ATD": _APACHE,
    "AuraSR": ArchitectureLicense("CC-BY-SA-4.0"),
    "CRAFT": _APACHE,
    "Compact": _BSD,
    "DAT": _APACHE,
    "DCTLSA": _APACHE,
    "DITN": _APACHE,
    "DRCT": _MIT,
    "DRUNet": _MIT,
    "DnCNN": _MIT,
    "ESRGAN": _APACHE,
    "FBCNN": _APACHE,
    "FDAT": _MIT,
    "FFTformer": _MIT,
    "GFPGAN": _GFPGAN,
    "GRL": _MIT,
    "HAT": _MIT,
    "HVICIDNet": _MIT,
    "IPT": _APACHE,
    "KBNet": _MIT,
    "LaMa": _APACHE,
    "MMRealSR": _BSD,
    "MixDehazeNet": _MIT,
    "MoESR": _MIT,
    "MoSR": _MIT,
    "NAFNet": _MIT,
    "OmniSR": _APACHE,
    "PLKSR": _MIT,
    "RCAN": _MIT,
    "RGT": _APACHE,
    "RealCUGAN": _MIT,
    "RestoreFormer": _GFPGAN,
    "RetinexFormer": _MIT,
    "SAFMN": _APACHE,
    "SAFMNBCIE": _APACHE,
    "SCUNet": _APACHE,
    "SPAN": _APACHE,
    "SeemoRe": _APACHE,
    "SwiftSRGAN": ArchitectureLicense("CC0-1.0"),
    "Swin2SR": _APACHE,
    "SwinIR": _APACHE,
    "Uformer": _MIT,
    # Those of spandrel_extra_arches.
    "AdaCode": _BY_NC_SA,
    "CodeFormer": ArchitectureLicense("S-Lab License 1.0", "its code is under S-Lab License 1.0, noncommercial"),
    "DDColor": ArchitectureLicense(
        "academic and non-commercial use only", "its authors allow academic and noncommercial use only"
    ),
    "FeMaSR": _BY_NC_SA,
    "M3SNet": _ACADEMIC,
    "MAT": _BY_NC,
    "MIRNet2": _ACADEMIC,
    "MPRNet": _ACADEMIC,
    "Restormer": _ACADEMIC,
    "SRFormer": _BY_NC,
    # BasicSR's classes.
    "EDSR": _APACHE,
    "MSRResNet": _APACHE,
    "RRDBNet": _APACHE,
    "SRVGGNetCompact": _APACHE,
}
UNKNOWN = ArchitectureLicense("unknown", "its license is not known here")
"""License of architectures that are not listed."""


def architecture_license(architecture: str) -> ArchitectureLicense:
    """License of an architecture.

    Args:
        architecture: spandrel's identifier or name (`Compact`, `RealESRGAN Compact`), or a class of BasicSR.

    Returns:
        For an architecture that is not listed a license called `unknown`, which no strict policy allows.
    """
    if architecture not in _LICENSES:
        architecture = next((one.id for one in _architectures() if one.name == architecture), architecture)
    return _LICENSES.get(architecture, UNKNOWN)


def registry() -> Any:
    """spandrel's registry of architectures, with those of spandrel_extra_arches where that is installed.

    It is the one that spandrel's `ModelLoader` takes by itself.

    Raises:
        ModuleNotFoundError: If spandrel is not installed.
    """
    try:
        from spandrel import MAIN_REGISTRY
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("spandrel is not installed: pip install spandrel", name="spandrel") from error
    try:
        with warnings.catch_warnings():  # of torch, about what it does when it is imported
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            extra = importlib.import_module("spandrel_extra_arches")
    except ModuleNotFoundError as error:
        if error.name != "spandrel_extra_arches":  # it is there, what it needs is not
            raise
    else:
        MAIN_REGISTRY.add(*extra.EXTRA_REGISTRY, ignore_duplicates=True)
    return MAIN_REGISTRY


def _architectures() -> list[Any]:
    with suppress(ModuleNotFoundError):
        return [support.architecture for support in registry()]
    return []
