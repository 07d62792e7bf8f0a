"""A-FINE's file with its six parts; of the text tower, which nothing reads, only the small tensors."""

from tests.helpers.synthetic_weights import nested, synthetic_tensors

PARTS = ("natural/", "fidelity/", "natural_scale/", "fidelity_scale/", "adapter/")
TEXT_KEYS = ("finetuned_clip/ln_final.", "finetuned_clip/text_projection", "finetuned_clip/logit_scale")


def afine():
    tensors = {}
    for prefix in ("finetuned_clip/visual.", *TEXT_KEYS, *PARTS):
        tensors |= {prefix + key: tensor for key, tensor in synthetic_tensors("afine", prefix).items()}
    return nested(tensors)


FILES = {"afine.pth": afine}
