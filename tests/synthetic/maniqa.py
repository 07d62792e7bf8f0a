"""MANIQA's three files. The tables of its windows are those of the architecture."""

from functools import partial

from iqa_sr.archs.maniqa_arch import MANIQANet
from tests.helpers.synthetic_weights import synthetic_tensors


def maniqa(golden):
    return synthetic_tensors(golden, kept=dict(MANIQANet().named_buffers()))


FILES = {
    "ckpt_koniq10k.pt": partial(maniqa, "maniqa"),
    "ckpt_kadid10k.pt": partial(maniqa, "maniqa"),
    "MANIQA_PIPAL-ae6d356b.pth": partial(maniqa, "maniqa-pipal"),
}
