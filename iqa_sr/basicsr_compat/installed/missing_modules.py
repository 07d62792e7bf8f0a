"""Stand-ins for modules that BasicSR imports and that its dependencies no longer have."""

import importlib
import sys
import types
from typing import Any

__all__ = ["provide_missing_modules"]


def provide_missing_modules() -> None:
    """Put into `sys.modules` what `import basicsr` looks for and does not find.

    * torchvision 0.17 removed `transforms.functional_tensor`; BasicSR's degradations import one function from it.
    * Python 3.12 removed `distutils`; its shim in setuptools may be switched off.
    * SciPy 2.0 removes `scipy.ndimage.filters`; BasicSR's NIQE imports `convolve` from it.
    """
    import scipy.ndimage
    from torchvision.transforms.functional import rgb_to_grayscale

    _provide("torchvision.transforms.functional_tensor", rgb_to_grayscale=rgb_to_grayscale)
    _provide("scipy.ndimage.filters", convolve=scipy.ndimage.convolve)
    try:
        importlib.import_module("distutils.version")
    except ImportError:
        from packaging.version import Version

        _provide("distutils")
        _provide("distutils.version", LooseVersion=Version)


def _provide(name: str, **content: Any) -> None:
    """A module of this name and content, unless there is one."""
    try:
        importlib.import_module(name)
    except ImportError:
        module = types.ModuleType(name)
        module.__dict__.update(content)
        sys.modules[name] = module
