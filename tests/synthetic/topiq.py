"""TOPIQ's files: {"params": state dict}."""

from functools import partial

from tests.helpers.synthetic_weights import nested, synthetic_tensors


def published(name):
    return nested(synthetic_tensors(name))


FILES = {
    "cfanet_nr_koniq_res50-9a73138b.pth": partial(published, "topiq_nr"),
    "cfanet_nr_spaq_res50-a7f799ac.pth": partial(published, "topiq_nr"),
    "cfanet_fr_kadid_res50-2c4cc61d.pth": partial(published, "topiq_fr"),
    "cfanet_fr_pipal_res50-69bbe5ba.pth": partial(published, "topiq_fr"),
    "cfanet_iaa_ava_res50-3cd62bb3.pth": partial(published, "topiq_iaa_res50"),
}
