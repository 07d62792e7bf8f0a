"""DISTS' files: its trunk is the one of `lpips-vgg`, its channel weights are real and part of the package."""

FILES = {}
