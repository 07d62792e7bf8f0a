"""MUSIQ's four files."""

from functools import partial

from tests.helpers.synthetic_weights import synthetic_tensors

FILES = {
    "musiq_koniq_ckpt-e95806b9.pth": partial(synthetic_tensors, "musiq"),
    "musiq_spaq_ckpt-358bb6af.pth": partial(synthetic_tensors, "musiq"),
    "musiq_paq2piq_ckpt-364c0c84.pth": partial(synthetic_tensors, "musiq"),
    "musiq_ava_ckpt-e8d3f067.pth": partial(synthetic_tensors, "musiq-ava"),
}
