"""IQA-guided training of super-resolution networks: a plugin for BasicSR."""

from pathlib import Path

__version__ = "0.1.0"

# In a bare checkout `losses/` and `samplers/` lie beside this folder; the installed package holds them inside.
if not (Path(__file__).parent / "losses").is_dir():
    __path__.append(str(Path(__file__).parent.parent))
