"""PaQ-2-PiQ's file: a flat state dict."""

from tests.helpers.synthetic_weights import synthetic_tensors

FILES = {"P2P_RoIPoolModel-fit.10.bs.120-ca69882e.pth": lambda: synthetic_tensors("paq2piq")}
