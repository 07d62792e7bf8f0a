"""Which packages this environment has, without importing them."""

import importlib.util

__all__ = ["is_installed"]


def is_installed(name: str) -> bool:
    """Check whether `import <name>` would find a package; a folder without `__init__.py` is none.

    Args:
        name: Name of a top-level package.
    """
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a finder refuses it, or `sys.modules` has None in its place
        return False
    return found is not None and found.origin is not None
