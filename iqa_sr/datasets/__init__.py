"""Torch data sets that an option file names, their sample order and augmentation."""
