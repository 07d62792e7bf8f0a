"""A file from one address, of a hub or of another server: limited, and resumed where it broke off."""

import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from iqa_sr import __version__
from iqa_sr.weights.published_file import HubFile

__all__ = ["check_space", "from_hub", "from_server", "hub_endpoint", "is_without_answer"]

TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 4
WAIT = 1.0  # seconds before the second attempt; twice as long before each further one
CHUNK = 1 << 20
RESUMED_FROM = 10**9  # bytes of a hub's file; newer versions of its library begin anew after a break
OWN_HOSTS = ("localhost", "127.0.0.1", "::1")  # a mirror on this machine needs no encryption
# What the network does in the middle of an answer.
BROKEN = (http.client.HTTPException, ConnectionError, TimeoutError)


class _NoAnswer(OSError):
    """The host cannot be reached."""


def is_without_answer(error: Exception) -> bool:
    """Whether a transfer failed because its host cannot be reached: nothing else has to be asked of it."""
    return isinstance(error, _NoAnswer)


def _check_address(address: str, before: str = "") -> None:
    """Refuse what everybody on the way can read and change: all but https, and this machine's own servers.

    Args:
        address: URL that is to be asked.
        before: URL that redirected to it; empty if none did.

    Raises:
        OSError: If it is neither.
    """
    parts = urlsplit(address)
    own = parts.hostname in OWN_HOSTS and (not before or urlsplit(before).hostname in OWN_HOSTS)
    if parts.scheme != "https" and not (parts.scheme == "http" and own):
        raise OSError(f"{'redirects to' if before else 'is asked by'} {address[:100]}; only https is followed")


def _check_size(size: int | None, largest: int) -> None:
    if size is not None and size > largest:
        raise OSError(f"announces {size / 1e6:.1f} MB, expected at most {largest / 1e6:.1f} MB")


def check_space(size: int | None, folder: Path) -> None:
    """Refuse a download that would fill the disk.

    Args:
        size: Size in bytes; None where it is not known.
        folder: Folder that it is for.

    Raises:
        OSError: If less is free.
    """
    free = shutil.disk_usage(folder).free
    if size is not None and size > free:
        raise OSError(f"{size / 1e6:.0f} MB do not fit into {folder} ({free / 1e6:.0f} MB free)")


# --- Hugging Face's hub -----------------------------------------------------------------------------------------------


def hub_endpoint() -> str:
    """Address of the hub, or of the mirror that `HF_ENDPOINT` names."""
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def from_hub(file: HubFile, path: Path, folder: Path, largest: int) -> None:
    """Fetch a file by huggingface_hub, which heeds `HF_ENDPOINT`, `HF_HUB_OFFLINE` and proxies.

    A large one is asked of the hub as of any other server, so that it is taken up where it broke off.

    Args:
        file: File of a hub repository that is wanted.
        path: Path that the file is written to.
        folder: Folder for the library's own files, gone when the file is there; some versions of it go on with what a
            broken download has left there.
        largest: Largest size of the file in bytes.

    Raises:
        OSError: If the hub cannot be reached or does not give the file, or if it is too large or does not fit.
    """
    # The import takes a second, and most runs download nothing.
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    repository, name, revision, endpoint = file.repository, file.name, file.revision, hub_endpoint()
    try:
        # hf_hub_download itself asks for half a minute where there is no network, and only warns of a full disk.
        address = hf_hub_url(repository, name, revision=revision, endpoint=endpoint)
        _check_address(address)
        facts = get_hf_file_metadata(address)
        _check_address(facts.location or address, before=address)
        _check_size(facts.size, largest)
        if (facts.size or 0) >= RESUMED_FROM:
            from_server(address, path, name, largest)
            return
        check_space(facts.size, path.parent)
        got = hf_hub_download(repository, name, revision=revision, endpoint=endpoint, local_dir=folder)
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise OSError(f"{status} {http.client.responses.get(status, '')}") from error
    except OSError:
        raise
    except Exception as error:  # of an HTTP library that was another one in each of the hub's three major versions
        raise _NoAnswer(str(error) or type(error).__name__) from error
    os.replace(got, path)
    shutil.rmtree(folder, ignore_errors=True)


# --- Other servers ----------------------------------------------------------------------------------------------------


def from_server(source: str, part: Path, label: str, largest: int) -> None:
    """Fetch a file; where the connection breaks off, the rest is asked for, also in a later run.

    Args:
        source: URL of the file.
        part: Path that the file is written to; beside it a note says of which version it is.
        label: Name that the bar on a terminal shows.
        largest: Largest size of the file in bytes.

    Raises:
        OSError: If the server cannot be reached or does not give the file, breaks off each time, or gives too much.
    """
    note = part.with_suffix(".version")  # of the file that the part is of; empty if the server does not say
    for attempt in range(ATTEMPTS):
        time.sleep(WAIT * 2 ** (attempt - 1) if attempt else 0)
        version = note.read_text(encoding="utf-8") if part.exists() and note.exists() else ""
        have = part.stat().st_size if version else 0
        answer = _open(source, have, version)
        if answer is None:
            return
        with answer:
            if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
                have = 0
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length else None
            _check_size(total, largest)
            check_space(int(length) if length else None, part.parent)
            tag = answer.headers.get("ETag", "")
            version = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
            # tqdm's None: a bar on a terminal only
            bar = tqdm(desc=label, total=total, initial=have, unit="B", unit_scale=True, disable=None)
            with bar, part.open("ab" if have else "wb") as file, suppress(*BROKEN):
                note.write_text(version, encoding="utf-8", newline="")
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
                    if file.tell() > largest:  # a server that does not say how much it gives
                        break
        if part.stat().st_size > largest:
            part.unlink()
            raise OSError(f"gives more than the {largest / 1e6:.1f} MB that the file can have")
        if total is None or part.stat().st_size == total:
            return
    raise OSError(f"the connection broke off {ATTEMPTS} times, the last time after {part.stat().st_size} bytes")


def _open(source: str, have: int, version: str) -> http.client.HTTPResponse | None:
    """The answer to one request, for what follows the bytes that are there of this version; None if nothing does."""
    headers = {"User-Agent": f"iqa-sr/{__version__}", "Accept-Encoding": "identity"}
    if version:  # only of the very same file; the server sends the whole of another one
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    _check_address(source)
    opener = urllib.request.build_opener(_SecureRedirects)
    try:
        answer: http.client.HTTPResponse = opener.open(urllib.request.Request(source, headers=headers), timeout=TIMEOUT)
        return answer
    except urllib.error.HTTPError as error:
        if version and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return None
        raise OSError(f"{error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _NoAnswer(str(error.reason)) from error


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to https only."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        _check_address(newurl, before=req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
