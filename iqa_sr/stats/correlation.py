"""Agreement of qualities with opinion scores: PLCC, SRCC, KRCC, and PLCC after the usual logistic function.

Reference:
    Video Quality Experts Group: Final report on the validation of objective models of video quality assessment, phase
    II, 2003 (the logistic function);
    Sheikh, Sabir, Bovik: A Statistical Evaluation of Recent Full Reference Image Quality Assessment Algorithms, IEEE
    TIP 15(11), 2006 (its use).
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.special import expit
from scipy.stats import kendalltau, rankdata

from iqa_sr.stats.bootstrap import Interval, statistic_interval

__all__ = ["Correlations", "Logistic", "correlations", "fit_logistic", "kendall", "pearson", "spearman"]

_PARAMETERS = 4
_EVALUATIONS = 10_000
_WIDTHS = (0.25, 1.0, 4.0)  # of the functions that the fit begins with, in standard deviations of the quality
_WORSE = 1e-3  # in PLCC: a straight line is a limit of the function, so that a fit below it has stopped on the way


# --- Coefficients -----------------------------------------------------------------------------------------------------


def pearson(prediction: np.ndarray, score: np.ndarray) -> float:
    """Linear correlation (PLCC) of two `(N,)`; 0 where one of them is constant."""
    # scipy's pearsonr and spearmanr take ten times as long, for p-values: too long for every draw of a bootstrap.
    first, second = (values - values.mean() for values in _checked(prediction, score))
    scale = float(np.sqrt((first @ first) * (second @ second)))
    return float(np.clip(first @ second / scale, -1, 1)) if scale > 0 else 0.0


def spearman(prediction: np.ndarray, score: np.ndarray) -> float:
    """Rank correlation (SRCC) of two `(N,)`, equal values with their mean rank; 0 where one of them is constant."""
    first, second = _checked(prediction, score)
    return pearson(rankdata(first), rankdata(second))


def kendall(prediction: np.ndarray, score: np.ndarray) -> float:
    """Rank correlation by pairs (KRCC), tau-b, of two `(N,)`; 0 where one of them is constant."""
    tau = float(kendalltau(*_checked(prediction, score)).statistic)
    return 0.0 if math.isnan(tau) else tau


def _checked(prediction: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = (np.asarray(values, dtype=np.float64) for values in (prediction, score))
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"expected as many predictions as scores, (N,), got {first.shape} and {second.shape}")
    return first, second


# --- Agreement with opinion scores ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Logistic:
    """Logistic function `f(q) = (b1 - b2) / (1 + exp(-(q - b3) / |b4|)) + b2`.

    Attributes:
        parameters: Parameters b1 to b4.
    """

    parameters: tuple[float, float, float, float]

    @property
    def rises(self) -> bool:
        """Check whether a larger quality means a larger score; the fit may also turn a metric around."""
        return self.parameters[0] >= self.parameters[1]

    def __call__(self, quality: np.ndarray) -> np.ndarray:
        """Opinion scores that the function gives for qualities: `(N,)` to `(N,)`."""
        return _logistic(quality, *self.parameters)


@dataclass(frozen=True)
class Correlations:
    """Correlations of a metric with the scores; everything is in [-1, 1], and larger is better.

    Attributes:
        srcc: Spearman's rank correlation.
        krcc: Kendall's tau-b.
        plcc: Pearson's correlation after the logistic function; None where that could not be fitted.
        plcc_linear: Pearson's correlation without the logistic function.
        intervals: Confidence intervals of 95 % by the name of the number, contents drawn with replacement; the function
            is fitted once, to everything.
        images: Number of images.
        left_out: Number of images without a finite quality, which are not among them.
        problem: Reason why there is no `plcc`; empty where there is one.
    """

    srcc: float
    krcc: float
    plcc: float | None
    plcc_linear: float
    intervals: dict[str, Interval]
    images: int
    left_out: int
    problem: str = ""


def correlations(quality: np.ndarray, score: np.ndarray, contents: np.ndarray, resamples: int) -> Correlations:
    """Correlations of a metric's qualities with opinion scores.

    Differs from the original: where the fitted function falls, which hides that a metric is the wrong way round, PLCC
    is negative.

    Args:
        quality: `(N,)`, larger is better.
        score: `(N,)`, larger is better.
        contents: `(N,)`, names or numbers; images of one content depend on each other.
        resamples: Number of resamples of the bootstrap.

    Raises:
        ValueError: If fewer than two qualities are finite.
    """
    usable = np.isfinite(quality)
    quality, score, left_out = quality[usable], score[usable], int((~usable).sum())
    if len(quality) < 2:
        raise ValueError(f"{len(quality)} images have a finite quality; a correlation needs at least 2")
    fitted = fit_logistic(quality, score)
    sign = -1 if isinstance(fitted, Logistic) and not fitted.rises else 1
    mapped = fitted(quality) if isinstance(fitted, Logistic) else quality

    def numbers(chosen: np.ndarray) -> tuple[float, float, float, float]:
        own, theirs = quality[chosen], score[chosen]
        follows = sign * pearson(mapped[chosen], theirs)
        return spearman(own, theirs), kendall(own, theirs), follows, pearson(own, theirs)

    names = ("srcc", "krcc", "plcc", "plcc_linear")
    values = dict(zip(names, numbers(np.arange(len(quality))), strict=True))
    drawn = statistic_interval(numbers, contents[usable], resamples)
    clipped = np.clip(drawn, -1, 1).tolist()  # where a correlation ends
    intervals = {name: (low, high) for name, (low, high) in zip(names, clipped, strict=True)}
    problem = fitted if isinstance(fitted, str) else ""
    if not problem and abs(values["plcc"]) < abs(values["plcc_linear"]) - _WORSE:
        problem = "the fit of the logistic function stopped where it follows the scores less than a straight line"
    if problem:
        del intervals["plcc"]
    plcc = None if problem else values["plcc"]
    return Correlations(
        values["srcc"], values["krcc"], plcc, values["plcc_linear"], intervals, len(quality), left_out, problem
    )


def fit_logistic(quality: np.ndarray, score: np.ndarray) -> Logistic | str:
    """The function of least squares, or why there is none.

    Both are brought to mean 0 and standard deviation 1 for the fit, which begins with the highest and lowest score, the
    mean quality and a quarter of its standard deviation.

    Differs from the original: for a metric that is the wrong way round it begins with a function that falls, and also
    begins with wider functions; the best of what comes of them is taken. From one start alone it often stops on the way
    where there are few images.

    Args:
        quality: `(N,)`, finite.
        score: `(N,)`, finite.
    """
    if len(quality) <= _PARAMETERS:
        return f"a logistic function of {_PARAMETERS} parameters needs more than {len(quality)} images"
    center, scale, middle, spread = quality.mean(), quality.std(), score.mean(), score.std()
    if not (scale > 0 and spread > 0):
        return f"all {'qualities' if spread > 0 else 'scores'} are the same"
    own, theirs = (quality - center) / scale, (score - middle) / spread
    ends = (theirs.max(), theirs.min()) if spearman(own, theirs) >= 0 else (theirs.min(), theirs.max())
    fits = [fit for width in _WIDTHS if (fit := _fit(own, theirs, (*ends, 0.0, width))) is not None]
    if not fits:
        return f"the fit of the logistic function did not converge in {_EVALUATIONS} evaluations"
    squares = [float(((_logistic(own, *fit) - theirs) ** 2).sum()) for fit in fits]
    high, low, position, width = fits[int(np.argmin(squares))]
    return Logistic(
        (high * spread + middle, low * spread + middle, position * scale + center, abs(width) * scale),
    )


def _fit(quality: np.ndarray, score: np.ndarray, start: Sequence[float]) -> tuple[float, float, float, float] | None:
    """The parameters where the fit from this start ends; None if it does not end at finite ones."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)  # of the covariance, which nobody asks for
            found, _ = curve_fit(_logistic, quality, score, start, maxfev=_EVALUATIONS)
    except RuntimeError:
        return None
    high, low, position, width = (float(value) for value in found)
    return (high, low, position, width) if np.isfinite(found).all() and width != 0 else None


def _logistic(quality: np.ndarray, high: float, low: float, position: float, width: float) -> np.ndarray:
    width = max(abs(width), math.ulp(1.0))
    values: np.ndarray = (high - low) * expit((quality - position) / width) + low
    return values
