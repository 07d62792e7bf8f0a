"""HyperIQA's file: a flat state dict."""

from tests.helpers.synthetic_weights import synthetic_tensors

FILES = {"koniq_pretrained.pkl": lambda: synthetic_tensors("hyperiqa")}
