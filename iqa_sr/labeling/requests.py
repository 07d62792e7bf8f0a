"""HTTP of the page of labels: who may ask, what for, and how it is answered."""

import hmac
import json
import logging
import os
import re
import secrets
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from iqa_sr.errors import OptionError
from iqa_sr.io.json_files import parse_json
from iqa_sr.labeling.exchange import SIDES, Exchange, UnknownImage
from iqa_sr.labeling.page import make_page

__all__ = ["Access", "LabelRequest"]

logger = logging.getLogger(__name__)

LARGEST_BODY = 4096
"""Bytes of a request's body; an answer has a hundred."""
_IMAGE = re.compile(rf"/image/([0-9]{{1,9}})/({'|'.join(SIDES)})\.png")
_LOOKS_IN_TERMINAL = "the terminal in which iqa-sr label runs says more"
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Access:
    """Who may ask: whoever knows the token, under a name of this server.

    A page of another site may make a browser send requests here under that site's name (DNS rebinding); it is refused.

    Args:
        token: Token.
        is_served: Tells whether a request's Host header names this server.
        address: Address that the server answers to, for the text of a refusal.
    """

    def __init__(self, token: str, is_served: Callable[[str], bool], address: str) -> None:
        self._token = token.encode()
        self._is_served = is_served
        self._address = address

    def refusal(self, hosts: list[str], token: str) -> str | None:
        """Text of a refusal; None for a request that is welcome.

        Args:
            hosts: Values of the Host headers, of which there is to be one.
            token: Token of the request; empty if it has none.
        """
        if len(hosts) != 1 or not self._is_served(hosts[0]):
            return f"this server answers as {self._address} only; a forwarded port needs the same number at both ends"
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self._token):
            return "the token is missing or wrong; open the whole address that iqa-sr label has printed"
        return None


class LabelRequest(BaseHTTPRequestHandler):
    """A connection of a page.

    Attributes:
        exchange: Session that is asked.
        access: Who may ask.
    """

    exchange: Exchange
    access: Access
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "iqa-sr"
    sys_version = ""
    error_content_type = "text/plain;charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"
    timeout = 300  # seconds that a connection may be silent, or an image takes on a slow one

    def do_GET(self) -> None:
        """Give the page, the state or an image."""
        address = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        if not self._is_welcome(query.get("token", "")):
            return
        if address.path == "/":
            self._give_page()
        elif address.path == "/api/state":
            self._give_state(200)
        elif image := _IMAGE.fullmatch(address.path):
            self._give_image(int(image[1]), query.get("question", ""), image[2])
        else:
            self._refuse_path(address.path)

    def do_POST(self) -> None:
        """Take an answer, or take one back."""
        path, body = urlsplit(self.path).path, self._body()
        if not self._is_welcome(self.headers.get("X-Token", "")):
            return
        changes = {"/api/answer": self.exchange.answer, "/api/undo": self.exchange.undo}
        if path not in changes:
            self._refuse_path(path)
        elif body is None:
            self._refuse(413, f"expected a Content-Length of at most {LARGEST_BODY}")
        else:
            self._change(changes[path], body)

    def _other_method(self) -> None:
        if self._is_welcome(self.headers.get("X-Token", "")):
            self._refuse_path(urlsplit(self.path).path)

    do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _other_method  # noqa: N815

    # --- Reading ------------------------------------------------------------------------------------------------------

    def _is_welcome(self, token: str) -> bool:
        refusal = self.access.refusal(self.headers.get_all("Host", []), token)
        if refusal is not None:
            self._refuse(403, refusal)
        return refusal is None

    def _refuse_path(self, path: str) -> None:
        """405 for what is there, but not by this method; else 404."""
        is_read = path in ("/", "/api/state") or _IMAGE.fullmatch(path)
        if not is_read and path not in ("/api/answer", "/api/undo"):
            return self._refuse(404, "there is no such page")
        method = "GET" if is_read else "POST"
        self._refuse(405, f"expected {method}", {"Allow": method})

    def _body(self) -> bytes | None:
        """The body, also of a request that is refused: what is unread at the end takes our answer along.

        None where its length is not told, or too large.
        """
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not re.fullmatch("[0-9]{1,9}", length) or int(length) > LARGEST_BODY:
            return None
        return self.rfile.read(int(length))  # less, if the page has left: then it is no JSON

    # --- What the session does ----------------------------------------------------------------------------------------

    def _change(self, change: Callable[[Any], bool], body: bytes) -> None:
        try:
            request = parse_json(body.decode("utf-8"))
        except ValueError as error:  # a UnicodeDecodeError, too
            return self._refuse(400, f"not valid JSON: {error}")
        try:
            taken = change(request)
        except OptionError as error:
            return self._refuse(400, str(error))
        except OSError as error:
            return self._fail(error, "this answer is not kept")
        except Exception as error:
            return self._break(error)
        self._give_state(200 if taken else 409)

    def _give_state(self, status: int) -> None:
        try:
            state = self.exchange.state()
        except OSError as error:
            return self._fail(error, "what was answered is kept, but the next question cannot be made")
        except Exception as error:
            return self._break(error, "what was answered is kept, but the next question cannot be made")
        self._send(status, "application/json", json.dumps(state).encode())

    def _give_image(self, number: int, digest: str, side: str) -> None:
        try:
            image = self.exchange.image(number, digest, side)
        except UnknownImage as error:
            return self._refuse(404, str(error))
        except Exception as error:
            return self._break(error, "an image of this question cannot be read")
        self._send(200, "image/png", image)

    def _give_page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        page = make_page(nonce).encode("utf-8")
        self._send(200, "text/html;charset=utf-8", page, {"Content-Security-Policy": policy})

    # --- Answering ----------------------------------------------------------------------------------------------------

    def _fail(self, error: OSError, what: str) -> None:
        """Nothing can be written. The page learns why; where, only the terminal: a path may name a version."""
        logger.error(f"{what}: {error}")
        reason = os.strerror(error.errno) if error.errno else _LOOKS_IN_TERMINAL
        self._refuse(507, f"{what}: {reason}")

    def _break(self, error: Exception, what: str = "something is wrong") -> None:
        expected = isinstance(error, (OSError, ValueError))
        logger.error(f"{what}: {error}", exc_info=None if expected else error)
        self._refuse(500, f"{what}; {_LOOKS_IN_TERMINAL}")

    def _refuse(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        """Plain text; what has not been read of the request goes with the connection."""
        self.close_connection = True
        content = f"{text}\n".encode("utf-8", "replace")
        self._send(status, "text/plain;charset=utf-8", content, {"Connection": "close", **(headers or {})})

    def _send(self, status: int, kind: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, **(headers or {}), "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is for what a person has to know, and addresses hold the token."""
