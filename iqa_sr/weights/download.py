"""Downloading a published weight file: from the first source that gives it, checked, put into its place as a whole."""

import hashlib
import http.client
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from iqa_sr.io.files import atomic_write, compute_hash
from iqa_sr.io.tensor_files import looks_like_tensors
from iqa_sr.weights.checksums import remember_hash
from iqa_sr.weights.matlab_files import looks_like_matlab
from iqa_sr.weights.published_file import WeightFile, hub_file
from iqa_sr.weights.transfers import from_hub, from_server, hub_endpoint, is_without_answer

__all__ = ["download"]

logger = logging.getLogger(__name__)

# Beyond the size in the table, which is rounded and for most files counted from the tensors alone: a factor and bytes.
SLACK = 1.25, 1 << 20


def download(file: WeightFile, target: Path, dead_hosts: set[str]) -> None:
    """Fetch a file from the first of its sources that gives it.

    Args:
        file: Published file that is wanted.
        target: Path of the file once it is complete and its hash is right; processes of one machine wait for another.
        dead_hosts: Hosts that did not answer; they are not asked again, and new ones are added.

    Raises:
        OSError: If no source gave it, with the reason for each; what arrived is kept and the next call resumes there.
            A source must be asked by https, also where it redirects to, and give no more than the file's size.
    """
    if not file.sources:
        raise OSError()  # why is on the file's page
    target.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    with _alone(target):
        if target.is_file():  # another process was quicker
            return
        for source in file.sources:
            host = urlsplit(hub_endpoint() if hub_file(source) else source).netloc
            if host in dead_hosts:
                reasons.append(f"{host}: no answer")
                continue
            try:
                found = _fetch(source, target, file)
                if not (file.sha256 or file.is_folder):  # of a folder the whole is compared
                    logger.warning(
                        f"{file.name}: no SHA-256 of it is published. What {host} gave has {found[:16]}..., with which "
                        "it is compared from now on."
                    )
                return
            except (OSError, http.client.HTTPException) as error:
                reasons.append(f"{host}: {' '.join(str(error).split())}")
                if is_without_answer(error):
                    dead_hosts.add(host)
    raise OSError("; ".join(reasons))


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold a lock beside the target; without one where the system or the file system has none."""
    lock = target.with_name(f".{target.name}.lock")
    with lock.open("wb") as file:
        with suppress(ImportError, OSError):
            import fcntl  # not on Windows

            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # the lock file stays: who waits for it must not find another one in its place


def _fetch(source: str, target: Path, file: WeightFile) -> str:
    """Put a file into its place, complete and checked; returns its SHA-256."""
    # One part for each source: two sources' bytes are never mixed.
    part = target.with_name(f".{target.name}.{hashlib.sha256(source.encode()).hexdigest()[:8]}.part")
    resumed, on_hub, fault = part.exists(), hub_file(source), ""
    largest = int(file.megabytes * 1e6 * SLACK[0] + SLACK[1])
    if on_hub:
        from_hub(on_hub, part, target.with_name(f".{target.name}.hub"), largest)
    else:
        from_server(source, part, target.name, largest)
    found = compute_hash(part)
    kind, fits = _KINDS.get(target.suffix, ("a file of tensors", looks_like_tensors))
    if not found.startswith(file.sha256):
        fault = f"gave a file with the SHA-256 {found[:16]}... instead of {file.sha256[:16]}..."
    elif not fits(part):
        fault = f"gave something else than {kind}, perhaps a web page"
    else:
        atomic_write(target, part.replace)
        remember_hash(target, found)
    for path in (part, part.with_suffix(".version")):
        path.unlink(missing_ok=True)
    if fault and resumed:  # it may lie in what an earlier run left
        return _fetch(source, target, file)
    if fault:
        raise OSError(fault)
    return found


def _starts_as_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip()[:1] == b"{"


_KINDS = {".json": ("JSON", _starts_as_json), ".mat": ("a MATLAB file", looks_like_matlab)}
