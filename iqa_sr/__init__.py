"""IQA-guided training of super-resolution networks: a plugin for BasicSR."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

__version__ = "0.1.0"


class _CheckoutFinder:
    """Finds `iqa_sr.losses` and `iqa_sr.samplers`, and nothing else, beside this folder."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name in ("iqa_sr.losses", "iqa_sr.samplers"):
            return PathFinder.find_spec(name, [str(Path(__file__).parent.parent)])
        return None


# In a bare checkout the two folders lie at its root; the installed package holds them inside.
if not (Path(__file__).parent / "losses").is_dir():
    sys.meta_path.insert(0, _CheckoutFinder)
