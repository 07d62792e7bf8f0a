"""BasicSR model classes."""
