"""CKDN's file: a flat state dict."""

from tests.helpers.synthetic_weights import synthetic_tensors

FILES = {"CKDN_model_best-38b27dc6.pth": lambda: synthetic_tensors("ckdn")}
