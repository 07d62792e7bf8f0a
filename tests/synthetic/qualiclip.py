"""The files of QualiCLIP, of which the authors' one needs no text tower, and of QualiCLIP+."""

from functools import partial

from tests.helpers.synthetic_weights import nested, synthetic_tensors

PROMPTS = "QualiCLIP+_{}.pth"


def qualiclip():
    """Without the text tower, which nothing reads, except for its small tensors."""
    tensors = {}
    for prefix in ("clip_model.visual.", "clip_model.ln_final.", "clip_model.logit_scale", "prompts_features"):
        tensors |= {prefix + key: tensor for key, tensor in synthetic_tensors("qualiclip", prefix).items()}
    return tensors


def prompts():
    return nested(synthetic_tensors("qualiclip_plus", f"{PROMPTS.format('koniq')}/"))


FILES = {
    "qualiclip.pth": qualiclip,
    "QualiCLIP.pth": partial(synthetic_tensors, "qualiclip_plus", "QualiCLIP.pth/"),
    **{PROMPTS.format(data): prompts for data in ("koniq", "clive", "flive", "spaq")},
}
