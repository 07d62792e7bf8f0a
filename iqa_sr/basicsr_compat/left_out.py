"""Names of BasicSR 1.4.2 that the built-in part does not have: an option file with one needs BasicSR itself."""

from iqa_sr.basicsr_compat.registries import INSTALLED

__all__ = ["LEFT_OUT", "needs_basicsr"]

LEFT_OUT: frozenset[str] = frozenset(())


def needs_basicsr(name: object) -> str | None:
    """What to do about a class that an installed BasicSR would have, for an error; None for any other name.

    Args:
        name: What an option file says: the name of a model, network, data set, loss or metric.
    """
    if INSTALLED or not isinstance(name, str) or name not in LEFT_OUT:
        return None
    return (
        f"{name} is not in the part of BasicSR that comes with this package; it needs BasicSR itself, "
        "on Python 3.12 or older: pip install basicsr"
    )
