"""CNNIQA's file: a flat state dict."""

from tests.helpers.synthetic_weights import synthetic_tensors

FILES = {"CNNIQA-LIVE": lambda: synthetic_tensors("cnniqa")}
