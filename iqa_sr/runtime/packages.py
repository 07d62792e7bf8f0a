"""Which packages this environment has, without importing them."""

import importlib.util
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from packaging.version import Version

__all__ = ["NeededPackage", "is_installed"]


@dataclass(frozen=True)
class NeededPackage:
    """An optional package that something of ours cannot do without.

    Attributes:
        name: Name of the package, and of its module.
        oldest: Oldest version that is known to work.
        extra: Extra of iqa-sr that installs it.
    """

    name: str
    oldest: str
    extra: str

    def problem(self) -> str:
        """Text on what is needed, what is there instead and how it is installed; empty where it is there."""
        found = ""
        if is_installed(self.name):
            try:
                found = version(self.name)
            except PackageNotFoundError:  # a folder on the path, without the facts of a package
                found = "one of unknown version"
            else:
                if Version(found) >= Version(self.oldest):
                    return ""
        return (
            f"needs {self.name} {self.oldest} or later, {f'found {found}' if found else 'which is not installed'}: "
            f'`pip install "iqa-sr[{self.extra}]"`'
        )


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
