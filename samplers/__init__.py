"""Samplers: which ground truth a training sample is trained against."""

from iqa_sr.samplers.argmax_online_sampler import ArgmaxOnlineSampler
from iqa_sr.samplers.base import Candidates, Choice, GroundTruthSampler, Shortlist
from iqa_sr.samplers.plain_sampler import OriginalSampler, PositivesSampler, UniformSampler
from iqa_sr.samplers.registry import build_sampler, sampler_names
from iqa_sr.samplers.softmax_sampler import SoftmaxSampler

__all__ = [
    "ArgmaxOnlineSampler",
    "Candidates",
    "Choice",
    "GroundTruthSampler",
    "OriginalSampler",
    "PositivesSampler",
    "Shortlist",
    "SoftmaxSampler",
    "UniformSampler",
    "build_sampler",
    "sampler_names",
]
