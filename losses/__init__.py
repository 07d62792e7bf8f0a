"""Losses that an option file can name beside BasicSR's own."""
