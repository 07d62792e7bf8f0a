"""NRQM's file: a structure of three small forests, which the authors' code has grown, and a linear function."""

import numpy as np

from tests.helpers.golden_images import golden

INTEGERS = ("lDau", "rDau", "mbest")


def model():
    content = golden("nrqm")
    forests = np.empty((3, 1), dtype=object)
    for k, forest in enumerate(content["forests"]):
        forests[k, 0] = {
            **{name: np.array(forest[name], dtype=np.int32).T for name in INTEGERS},
            **{name: np.array(forest[name]).T for name in ("upper", "avnode")},
            "nodestatus": np.array(["\ufdff" * len(forest["lDau"])] * len(forest["lDau"][0])),  # bytes -1 and -3
            "coef": np.array(forest["coef"])[:, None],
            "ntree": len(forest["lDau"]),
        }
    return {"model": {"rf": forests, "linear": np.array(content["linear"])[:, None]}}


FILES = {"nrqm_model.mat": model}
