"""BasicSR's reader of LMDB folders."""

from typing import Any

from basicsr.utils.file_client import LmdbBackend

from iqa_sr.io.image_stores import check_whole_lmdb

__all__ = ["PATCHES"]

_init = LmdbBackend.__init__


def open_databases(self: Any, *args: Any, **kwargs: Any) -> None:
    """Open LMDB databases as BasicSR does; a database that is cut off is an error."""
    _init(self, *args, **kwargs)
    for path, environment in zip(self.db_paths, self._client.values(), strict=True):
        check_whole_lmdb(path, environment)


PATCHES: tuple[tuple[Any, str, Any], ...] = (
    # A read beyond the end of the file kills the loader's worker by SIGBUS.
    (LmdbBackend, "__init__", open_databases),
)
