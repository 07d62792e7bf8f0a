"""Names of BasicSR 1.4.2 that the built-in part does not have: an option file with one needs BasicSR itself."""

from iqa_sr.basicsr_compat.registries import INSTALLED

__all__ = ["LEFT_OUT", "needs_basicsr"]

_MODELS = """
    EDVRModel HiFaceGANModel RealESRGANModel RealESRNetModel StyleGAN2Model VideoBaseModel VideoGANModel
    VideoRecurrentGANModel VideoRecurrentModel
"""
_NETWORKS = """
    BasicVSR BasicVSRPlusPlus DFDNet DUF ECBSR EDVR HiFaceGAN HiFaceGANDiscriminator IconVSR RCAN RIDNet SpyNet
    StyleGAN2Discriminator StyleGAN2Generator TOFlow
"""
_DATASETS = """
    FFHQDataset REDSDataset REDSRecurrentDataset RealESRGANDataset RealESRGANPairedDataset
    VideoRecurrentTestDataset VideoTestDUFDataset VideoTestDataset VideoTestVimeo90KDataset Vimeo90KDataset
    Vimeo90KRecurrentDataset
"""
_LOSSES_AND_METRICS = "MultiScaleGANLoss calculate_psnr_pt calculate_ssim_pt"

LEFT_OUT = frozenset(f"{_MODELS} {_NETWORKS} {_DATASETS} {_LOSSES_AND_METRICS}".split())


def needs_basicsr(name: object) -> str | None:
    """What to do about a class that an installed BasicSR would have, for an error; None for any other name.

    Args:
        name: What an option file says: the name of a model, network, data set, loss or metric.
    """
    if INSTALLED or not isinstance(name, str) or name not in LEFT_OUT:
        return None
    return (
        f"{name} is not in the part of BasicSR that comes with this package; it needs BasicSR itself, "
        "on Python 3.12 or older: pip install basicsr"
    )
