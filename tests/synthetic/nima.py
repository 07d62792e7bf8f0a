"""NIMA's files: {"params": state dict}."""

from functools import partial

from tests.helpers.synthetic_weights import nested, synthetic_tensors


def published(name):
    return nested(synthetic_tensors(name))


FILES = {
    "NIMA_InceptionV2_ava-b0c77c00.pth": partial(published, "nima"),
    "NIMA_koniq-250367ae.pth": partial(published, "nima-koniq"),
    "NIMA-spaq-46a7fcb7.pth": partial(published, "nima-koniq"),
    "NIMA_VGG16_ava-dc4e8265.pth": partial(published, "nima-vgg16-ava"),
}
