"""The only package that imports BasicSR, with the reason for each patch."""
