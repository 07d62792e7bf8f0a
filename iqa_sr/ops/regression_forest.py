"""Random forests for regression, as the package randomForest grows them (Breiman; Liaw and Wiener)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["RegressionForest"]

FIELDS = ("lDau", "rDau", "upper", "avnode", "mbest")


class RegressionForest(nn.Module):
    """The mean prediction of binary trees; at a node the left daughter has what is at most the threshold.

    A leaf has no daughters. The authors' field `nodestatus`, which says so, too, is not read: their program keeps it
    in an array of another width than MATLAB saves.

    Args:
        arrays: Arrays `(nodes, trees)` by the names of the program's MATLAB interface: `lDau`, `rDau`, numbers of the
            daughters from 1, 0 for none; `upper`, the thresholds; `avnode`, the predictions of leaves; `mbest`, the
            number of the compared feature from 1. And `coef`, two numbers for a correction of the bias, or zeros.
        features: Number of features.

    Raises:
        ValueError: If an array is missing, has another shape, or points nowhere.
    """

    left: Tensor
    right: Tensor
    threshold: Tensor
    prediction: Tensor
    feature: Tensor
    correction: Tensor

    def __init__(self, arrays: Mapping[str, Tensor], features: int) -> None:
        super().__init__()
        missing = [field for field in FIELDS if field not in arrays]
        if missing:
            raise ValueError(f"has no {', '.join(missing)}")
        left, right, threshold, prediction, feature = (arrays[field] for field in FIELDS)
        shapes = {tuple(arrays[field].shape) for field in FIELDS}
        if len(shapes) > 1 or left.ndim != 2 or not left.numel():
            found = ", ".join(f"{field} {tuple(arrays[field].shape)}" for field in FIELDS)
            raise ValueError(f"has arrays of different shapes: {found}")
        used = int(torch.stack([side.amax() for side in (left, right)]).amax().clamp(min=1))
        left, right, threshold, prediction, feature = (
            values[:used].clone() for values in (left, right, threshold, prediction, feature)
        )  # arrays have room for the largest possible tree, of which a fifth may be in use
        inner = left > 0
        order = torch.arange(1, len(left) + 1, device=left.device)[:, None]
        pointing = [(side > order) & (side <= len(left)) for side in (left, right)]  # ever further: no circles
        known = (feature >= 1) & (feature <= features)
        if (inner & ~(pointing[0] & pointing[1] & known)).any() or not (threshold * prediction).isfinite().all():
            raise ValueError(f"has nodes whose daughters or features (of {features}) do not exist, or that are NaN")
        for name, numbers in (("left", left), ("right", right), ("feature", feature)):
            self.register_buffer(name, numbers.int() - 1, persistent=False)
        self.register_buffer("threshold", threshold.double(), persistent=False)
        self.register_buffer("prediction", prediction.double(), persistent=False)
        correction = arrays.get("coef", torch.zeros(2)).double().flatten()
        if len(correction) != 2 or not correction.any():
            correction = torch.tensor([0.0, 1.0], dtype=torch.float64)
        self.register_buffer("correction", correction, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Prediction of one vector of features `(F,)`, a scalar."""
        node = torch.zeros(1, self.left.shape[1], dtype=torch.long, device=features.device)  # of each tree
        while True:
            left = self.left.gather(0, node).long()
            if (left < 0).all():
                break
            value = features[self.feature.gather(0, node).clamp(min=0).long()]
            right = self.right.gather(0, node).long()
            following = torch.where(value <= self.threshold.gather(0, node), left, right)
            node = torch.where(left < 0, node, following)
        offset, factor = self.correction
        return offset + factor * self.prediction.gather(0, node).mean()
