"""Filters that enhance an image's luma and leave its colors: each takes and gives `(H, W, 3)` RGB uint8."""

import cv2
import numpy as np

__all__ = ["clahe", "detail", "nlm_sharp", "unsharp"]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_BORDER = cv2.BORDER_REFLECT_101


def _luma(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) @ _LUMA


def _add_to_luma(image: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """The same difference on all three channels: luma changes by it, both color differences stay."""
    return np.clip(np.rint(image + difference[..., None]), 0, 255).astype(np.uint8)


def _gaussian(plane: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(plane, (0, 0), sigma, borderType=_BORDER)


def _levels(plane: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)


def unsharp(image: np.ndarray, sigma: float, amount: float) -> np.ndarray:
    """Unsharp masking: `amount` times what a Gaussian of `sigma` px takes away is added to the luma."""
    luma = _luma(image)
    return _add_to_luma(image, amount * (luma - _gaussian(luma, sigma)))


def detail(image: np.ndarray, radius: int, edge: float, boost: float) -> np.ndarray:
    """Edge-preserving detail boost: the luma's difference to its guided-filtered base is added `boost` times.

    Args:
        image: `(H, W, 3)` RGB uint8.
        radius: Radius of the guided filter's box, in pixels.
        edge: Contrast in gray levels above which a structure belongs to the base and is left alone (the filter's
            epsilon is its square).
        boost: Added share of the detail layer.

    Reference:
        He, Sun, Tang: Guided image filtering, TPAMI 2013.
    """

    def box(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (2 * radius + 1, 2 * radius + 1), borderType=_BORDER)

    luma = _luma(image)
    mean = box(luma)
    variance = box(luma * luma) - mean * mean
    slope = variance / (variance + edge**2)  # near 1 at edges, near 0 in flat parts
    base = box(slope) * luma + box(mean * (1 - slope))  # the luma guided by itself: locally linear
    return _add_to_luma(image, boost * (luma - base))


def nlm_sharp(image: np.ndarray, strength: float, sigma: float, amount: float) -> np.ndarray:
    """Non-local-means denoising of the luma (7 px patches, 21 px search), then unsharp masking of the result.

    Args:
        image: `(H, W, 3)` RGB uint8.
        strength: Strength of the denoising (`h` of the paper), in gray levels.
        sigma: Sigma of the unsharp mask, in pixels.
        amount: Amount of the unsharp mask.

    Reference:
        Buades, Coll, Morel: A non-local algorithm for image denoising, CVPR 2005.
    """
    luma = _luma(image)
    clean = cv2.fastNlMeansDenoising(_levels(luma), None, strength, 7, 21).astype(np.float32)
    return _add_to_luma(image, clean + amount * (clean - _gaussian(clean, sigma)) - luma)


def clahe(image: np.ndarray, clip: float, tiles: int, blend: float, keep: float) -> np.ndarray:
    """Contrast-limited adaptive equalization of the luma, its fine part blended in.

    Args:
        image: `(H, W, 3)` RGB uint8.
        clip: Contrast limit, in multiples of the mean histogram bin.
        tiles: Number of tiles along each side.
        blend: Share of the change that is applied.
        keep: Standard deviation in pixels of the Gaussian whose low-pass of the change is taken out again: the tone
            at this scale and above stays.

    Reference:
        Zuiderveld: Contrast limited adaptive histogram equalization, Graphics Gems IV, 1994.
    """
    luma = _luma(image)
    equalized = cv2.createCLAHE(clip, (tiles, tiles)).apply(_levels(luma)).astype(np.float32)
    change = equalized - luma
    return _add_to_luma(image, blend * (change - _gaussian(change, keep)))
