"""ILNIQE's file: a cell of the mean, the covariance, the center and the components of the projected features."""

import numpy as np

from tests.helpers.synthetic_weights import draw

COMPONENTS = 40


def _template():
    def drawn(key, *shape):
        return draw("ilniqe", key, shape, "G").double().numpy()

    covariance = drawn("covariance", COMPONENTS, 2 * COMPONENTS)
    cell = np.empty((1, 4), dtype=object)
    cell[0, 0] = drawn("mean", 1, COMPONENTS)
    cell[0, 1] = covariance @ covariance.T / 10 + np.eye(COMPONENTS)
    cell[0, 2] = drawn("center", 468, 1) + 1
    cell[0, 3] = drawn("components", 468, COMPONENTS) / 10
    return {"templateModel": cell}


FILES = {"templateModel.mat": _template}
