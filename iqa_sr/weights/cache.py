"""The folder in which we keep what was downloaded or computed once."""

import os
from pathlib import Path

__all__ = ["CACHE_VARIABLE", "cache_folder", "user_cache"]

CACHE_VARIABLE = "IQA_SR_CACHE"


def cache_folder() -> Path:
    """Our own cache: `IQA_SR_CACHE`, or `iqa_sr` in the user's cache folder; it need not exist."""
    own = os.environ.get(CACHE_VARIABLE)
    return Path(own).expanduser() if own else user_cache() / "iqa_sr"


def user_cache() -> Path:
    """Cache folder of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
