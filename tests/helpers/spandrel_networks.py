"""Small random networks of the architectures that spandrel knows, and checkpoints of them."""

import torch

from iqa_sr.archs.spandrel_loader import networks_by_name

WINDOWS = {"depths": (2,), "num_heads": (2,), "embed_dim": 16, "window_size": 8, "upscale": 2}
SMALL = {
    "ATD": {**WINDOWS, "category_size": 256, "num_tokens": 8, "upsampler": "pixelshuffledirect"},
    "CRAFT": {"depths": (1,), "num_heads": (2,), "embed_dim": 32, "upscale": 2},
    "Compact": {"num_feat": 8, "num_conv": 2, "upscale": 2},
    "DAT": {
        "embed_dim": 64,
        "depth": [1, 1],
        "num_heads": [2, 2],
        "split_size": [4, 8],
        "upscale": 2,
        "upsampler": "pixelshuffledirect",
    },
    "DCTLSA": {"nf": 20, "upscale": 2},
    "DITN": {"dim": 16, "ITL_blocks": 1, "SAL_blocks": 1, "UFONE_blocks": 1, "upscale": 2, "patch_size": 8},
    "DRCT": {**WINDOWS, "depths": (6,), "gc": 4, "upsampler": "pixelshuffle"},
    "ESRGAN": {"num_filters": 8, "num_blocks": 1, "scale": 2},
    "GRL": {
        "upscale": 2,
        "embed_dim": 16,
        "depths": [2],
        "num_heads_window": [2],
        "num_heads_stripe": [2],
        "window_size": 32,
        "stripe_size": [64, 64],
        "stripe_groups": [None, None],
        "stripe_shift": True,
        "anchor_window_down_factor": 4,
        "mlp_ratio": 2,
        "upsampler": "pixelshuffledirect",
    },
    "HAT": {**WINDOWS, "squeeze_factor": 4, "compress_ratio": 2},
    "MMRealSR": {
        "num_in_ch": 3,
        "num_out_ch": 3,
        "scale": 4,
        "num_feat": 8,
        "num_block": 1,
        "num_grow_ch": 4,
        "num_degradation": 2,
        "num_feats": [8, 8, 8, 8],
        "num_blocks": [2, 2, 2, 2],
        "downscales": [2, 2, 2, 1],
    },
    "MoESR": {"dim": 16, "n_blocks": 1, "n_block": 1, "scale": 2},
    "MoSR": {"n_block": 2, "dim": 16, "upscale": 2},
    "NAFNet": {"img_channel": 3, "width": 8, "middle_blk_num": 1, "enc_blk_nums": [1], "dec_blk_nums": [1]},
    "OmniSR": {"num_feat": 16, "res_num": 1, "block_num": 1, "up_scale": 2},
    "PLKSR": {"dim": 16, "n_blocks": 2, "upscaling_factor": 2},
    "RCAN": {"n_resgroups": 1, "n_resblocks": 1, "n_feats": 16, "scale": 2},
    "RGT": {"embed_dim": 64, "depth": [2], "num_heads": [2], "upscale": 2, "split_size": [8, 8]},
    "RealPLKSR": {"dim": 16, "n_blocks": 2, "upscaling_factor": 2},
    "SAFMN": {"dim": 8, "n_blocks": 1, "upscaling_factor": 2},
    "SPAN": {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8, "upscale": 2},
    "SeemoRe": {"scale": 2, "embedding_dim": 16, "num_layers": 1, "num_experts": 3, "topk": 1, "in_chans": 3},
    "SwiftSRGAN": {"num_channels": 8, "num_blocks": 1, "upscale_factor": 2},
    "Swin2SR": {**WINDOWS, "upsampler": "pixelshuffledirect"},
    "SwinIR": {**WINDOWS, "upsampler": "pixelshuffledirect"},
}
"""Options of each that make it small enough for a test."""


def small_network(name, seed=0):
    """A network of that name, in evaluation mode; its result differs from the input by more than rounding."""
    torch.manual_seed(seed)
    return networks_by_name()[name](**SMALL[name]).eval()
