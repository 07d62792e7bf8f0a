"""A guard's options, images, and measurements that are made up."""

import math

import torch

from iqa_sr.config.sections import read_section
from iqa_sr.guard.decision import decide
from iqa_sr.guard.measurements import GuardMeasurements
from iqa_sr.guard.options import GuardOptions
from iqa_sr.ops.resize import resize_bicubic
from tests.helpers.golden_images import photo

PATH = "train:guard"
REWARD = "jod-lite"  # higher is better
HELD = "niqe"  # lower is better
COUNT = 12


def measured(guard, images, upscale, base_outputs=None):
    """Windows cut and measured."""
    return guard.measure(guard.windows(images, upscale), upscale, base_outputs)


def options(**given):
    """Options of a guard that holds NIQE out where nothing else is given."""
    return read_section(GuardOptions, {"held_out": [HELD], **given}, PATH)


def bicubic(lq, scale=2):
    """A network that only resizes."""
    return resize_bicubic(lq, lq.shape[-2] * scale, lq.shape[-1] * scale)


def pair(height=384, width=384, scale=2, name="astronaut", with_original=True):
    """An LQ image and its original, or None in its place."""
    original = photo(name, height=height, width=width)[None]
    lq = resize_bicubic(original, height // scale, width // scale)
    return lq, original if with_original else None


def measurements(count=COUNT, psnr=math.nan, images=None, **scores):
    """Measures with the given scores, larger is better; `jod_lite` stands for its name with a hyphen."""
    named = {name.replace("_", "-"): torch.as_tensor(values, dtype=torch.float64) for name, values in scores.items()}
    level = {
        "base_jod": 9.5,
        "base_psnr": 41.2,
        "consistency": 38.0,
        "high_frequency": 0.8,
        "periodic": 0.1,
        "psnr": psnr,
    }
    count = len(next(iter(named.values()), range(count)))
    full = {name: torch.full((count,), value, dtype=torch.float64) for name, value in level.items()}
    return GuardMeasurements(named, **full, images=torch.arange(count) if images is None else torch.tensor(images))


def normal(seed, mean=0.0, sigma=0.1, count=COUNT):
    drawn = torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn * sigma + mean


def decided(reward_change, held_change, reward_metrics=(REWARD,), count=COUNT, **given):
    start = normal(0, sigma=1.0, count=count)
    base = measurements(jod_lite=start + 3, niqe=start - 4)
    now = measurements(jod_lite=start + 3 + reward_change, niqe=start - 4 + held_change)
    return decide(options(**given), reward_metrics, base, now, 200)
