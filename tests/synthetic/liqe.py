"""LIQE's files: the whole CLIP of each under `params`."""

from functools import partial

from tests.helpers.synthetic_weights import nested, synthetic_tensors


def liqe(name):
    return nested(synthetic_tensors(name))


FILES = {"liqe_koniq.pt": partial(liqe, "liqe"), "liqe_mix.pt": partial(liqe, "liqe_mix")}
