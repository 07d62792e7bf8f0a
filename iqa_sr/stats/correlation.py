"""How well predictions agree with scores: Pearson's, Spearman's and Kendall's coefficient."""

import numpy as np

__all__ = ["kendall", "pearson", "spearman"]

_ROWS = 256  # of the matrix of pairs that are in memory at once


def pearson(prediction: np.ndarray, score: np.ndarray) -> float:
    """Linear correlation (PLCC) of two `(N,)`; 0 where one of them is constant."""
    first, second = (values - values.mean() for values in _checked(prediction, score))
    scale = float(np.sqrt((first @ first) * (second @ second)))
    return float(np.clip(first @ second / scale, -1, 1)) if scale > 0 else 0.0


def spearman(prediction: np.ndarray, score: np.ndarray) -> float:
    """Rank correlation (SRCC) of two `(N,)`, equal values with their mean rank; 0 where one of them is constant."""
    first, second = _checked(prediction, score)
    return pearson(_ranks(first), _ranks(second))


def kendall(prediction: np.ndarray, score: np.ndarray) -> float:
    """Rank correlation by pairs (KRCC), tau-b, of two `(N,)`; 0 where one of them is constant."""
    first, second = _checked(prediction, score)
    agreeing = first_pairs = second_pairs = 0.0
    for start in range(0, len(first), _ROWS):
        rows = slice(start, start + _ROWS)
        above = np.sign(first[rows, None] - first[None])
        beside = np.sign(second[rows, None] - second[None])
        agreeing += float((above * beside).sum())
        first_pairs += float(np.abs(above).sum())
        second_pairs += float(np.abs(beside).sum())
    scale = np.sqrt(first_pairs) * np.sqrt(second_pairs)
    return float(np.clip(agreeing / scale, -1, 1)) if scale > 0 else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _checked(prediction: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = (np.asarray(values, dtype=np.float64) for values in (prediction, score))
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"expected as many predictions as scores, (N,), got {first.shape} and {second.shape}")
    return first, second
