"""LoRA: injection, layers, adapter files."""
