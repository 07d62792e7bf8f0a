"""BasicSR model classes and their parts: option sections, losses, steps, validation."""
