"""Downloading a published weight file: resumed where it broke off, checked, and put into its place as a whole."""

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from iqa_sr import __version__
from iqa_sr.io.atomic import atomic_write
from iqa_sr.io.tensor_files import looks_like_tensors
from iqa_sr.weights.checksums import compute_hash, remember_hash
from iqa_sr.weights.registry import WeightFile

__all__ = ["download"]

TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 4
WAIT = 1.0  # seconds before the second attempt; twice as long before each further one
CHUNK = 1 << 20
# What the network does in the middle of an answer.
BROKEN = (http.client.HTTPException, ConnectionError, TimeoutError)


def download(file: WeightFile, target: Path, dead_hosts: set[str]) -> None:
    """Fetch a file from the first of its sources that gives it.

    Args:
        file: What is wanted.
        target: Where it is put when it is complete and its hash is right; processes of one machine wait for another.
        dead_hosts: Hosts that did not answer; they are not asked again, and new ones are added.

    Raises:
        OSError: If no source gave it, with the reason for each; what arrived is kept and the next call goes on there.
    """
    if not file.sources:
        raise OSError()  # why is on the file's page
    target.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    with _alone(target):
        if target.is_file():  # another process was quicker
            return
        for source in file.sources:
            host = urlsplit(source).netloc
            if host in dead_hosts:
                reasons.append(f"{host}: no answer")
                continue
            try:
                return _fetch(source, target, file.sha256)
            except urllib.error.HTTPError as error:
                reasons.append(f"{host}: {error.code} {error.reason}")
            except urllib.error.URLError as error:
                dead_hosts.add(host)
                reasons.append(f"{host}: {error.reason}")
            except (OSError, http.client.HTTPException) as error:
                reasons.append(f"{host}: {error}")
    raise OSError("; ".join(reasons))


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold a lock beside the target; without one where the system or the file system has none."""
    lock = target.with_name(f".{target.name}.lock")
    with lock.open("w") as file:
        with suppress(ImportError, OSError):
            import fcntl  # not on Windows

            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # the lock file stays: who waits for it must not find another one in its place


def _fetch(source: str, target: Path, sha256: str) -> None:
    # One partial file for each source: two sources' bytes are never mixed.
    partial = target.with_name(f".{target.name}.{hashlib.sha256(source.encode()).hexdigest()[:8]}.part")
    resumed = partial.exists()
    _complete(source, partial, target.name)
    found = compute_hash(partial)
    fault = _fault(partial, found, sha256)
    if fault:
        _discard(partial)
        if resumed:  # the fault may lie in what an earlier run left
            return _fetch(source, target, sha256)
        raise OSError(fault)
    atomic_write(target, partial.replace)
    remember_hash(target, found)
    _discard(partial)


def _fault(path: Path, found: str, sha256: str) -> str:
    if not found.startswith(sha256):
        return f"gave a file with the SHA-256 {found[:16]}... instead of {sha256[:16]}..."
    return "" if looks_like_tensors(path) else "gave something else than a file of tensors, perhaps a web page"


def _complete(source: str, partial: Path, label: str) -> None:
    """Fetch what is missing, again and again while the connection breaks off."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(WAIT * 2 ** (attempt - 1))
        if _append(source, partial, label):
            return
    raise OSError(f"the connection broke off {ATTEMPTS} times, the last time after {_size(partial)} bytes")


def _append(source: str, partial: Path, label: str) -> bool:
    """One request for the rest of a file.

    Returns:
        Whether the file is complete.
    """
    have = _size(partial)
    version = _version_file(partial).read_text() if have and _version_file(partial).exists() else ""
    headers = {"User-Agent": f"iqa-sr/{__version__}", "Accept-Encoding": "identity"}
    if version:  # only of the very same file; the server sends the whole of another one
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    try:
        answer = _opener().open(urllib.request.Request(source, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not version:
            raise
        if error.headers.get("Content-Range", "") == f"bytes */{have}":
            return True
        _discard(partial)
        return False
    with answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            have = 0
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            _discard(partial)
            return False
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        free = shutil.disk_usage(partial.parent).free
        if total is not None and total - have > free:
            raise OSError(f"{(total - have) / 1e6:.0f} MB do not fit into {partial.parent} ({free / 1e6:.0f} MB free)")
        _version_file(partial).write_text(_version(answer.headers))
        _store(answer, partial, have, total, label)
    return total is None or partial.stat().st_size == total


def _store(answer: Any, partial: Path, have: int, total: int | None, label: str) -> None:
    # tqdm's None: a bar on a terminal only
    bar = tqdm(desc=label, total=total, initial=have, unit="B", unit_scale=True, disable=None)
    with bar, partial.open("ab" if have else "wb") as file, suppress(*BROKEN):
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))


def _opener() -> urllib.request.OpenerDirector:
    """Follows redirections, but to nothing else than http and https."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _version(headers: Any) -> str:
    """What tells one version of the file from another for `If-Range`; empty if the server does not say."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _version_file(partial: Path) -> Path:
    return partial.with_suffix(".version")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _discard(partial: Path) -> None:
    for path in (partial, _version_file(partial)):
        path.unlink(missing_ok=True)
