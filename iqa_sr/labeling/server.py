"""The server of the page of labels: standard library, one interface, a token in the address."""

import errno
import ipaddress
import logging
import os
import re
import secrets
import socket
import socketserver
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from iqa_sr.labeling.exchange import Exchange
from iqa_sr.labeling.requests import Access, LabelRequest
from iqa_sr.labeling.session import LabelSession
from iqa_sr.runtime.signals import Interrupted, Interrupts

__all__ = ["LabelServer", "kept_token", "serve"]

logger = logging.getLogger(__name__)

_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,}")


def serve(
    session: LabelSession,
    host: str = "127.0.0.1",
    port: int = 0,
    open_browser: bool = True,
    token: str | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the page of a session until Ctrl-C, SIGTERM or SIGHUP.

    Args:
        session: Session of one rater.
        host: Address of the interface; whoever reaches it and knows the token can answer.
        port: Port; 0 for a free one.
        open_browser: Whether a browser is opened.
        token: Token of the address, as `kept_token` gives it; None for a new one.
        say: Called with each line that the user is to read: the address, and at the end what was answered.

    Raises:
        ValueError: If there is no such interface or port.
        OSError: If the port is in use, or not allowed.
    """
    before = session.progress().answered
    interrupts = Interrupts()
    server = LabelServer(session, host, port, token)
    with server, interrupts.watched(), suppress(Interrupted), interrupts.at_once():
        say(f"{session.rater}: open {server.address}")
        if open_browser and _has_screen():  # a browser of the terminal would take it over
            threading.Thread(target=_open, args=(server.address,), daemon=True).start()  # some wait to be closed
        say("Every answer is on the disk at once. Ctrl-C ends this; the same command goes on where it was left.")
        server.serve_forever()
    server.exchange.close()
    after = session.progress().answered
    say(f"{session.rater}: {_count(max(0, after - before))} since it was started, {_count(after)} in all")


class LabelServer(ThreadingHTTPServer):
    """Server of the page of one session; bound when it is made, `serve_forever` answers.

    Args:
        session: Session of one rater.
        host: Address of the interface.
        port: Port; 0 for a free one.
        token: Token of the address; None for a new one.

    Attributes:
        exchange: The session, as pages see it.
        address: Address of the page, with the token.

    Raises:
        ValueError: If there is no such interface or port.
        OSError: If the port is in use, or not allowed.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name != "nt"  # there, two servers could share a port
    request_queue_size = 64

    def __init__(self, session: LabelSession, host: str = "127.0.0.1", port: int = 0, token: str | None = None) -> None:
        token = token or secrets.token_urlsafe(24)
        self.exchange = Exchange(session, token)
        self.address_family, bound = _interface(host, port)
        try:
            super().__init__(bound, LabelRequest)
        except OSError as error:
            raise OSError(_why_not(error, host, port)) from None
        self.port: int = self.server_address[1]
        self._anywhere = ipaddress.ip_address(bound[0].partition("%")[0]).is_unspecified
        own = f"[{host}]" if ":" in host else host.lower()
        here = (socket.gethostname().lower(), f"{socket.gethostname().lower()}.local") if self._anywhere else ()
        self._names = {own, *_LOCAL, *here}
        shown = _reachable_as(self.address_family) if self._anywhere else own
        origin = f"http://{shown}:{self.port}/"
        self.address = f"{origin}?token={token}"
        access = Access(token, self.is_served, origin)
        # A class of its own: the standard library makes an object of it for each connection.
        self.RequestHandlerClass = type(
            LabelRequest.__name__, (LabelRequest,), {"exchange": self.exchange, "access": access}
        )

    def is_served(self, host: str) -> bool:
        """Check whether a request's Host header names this server: a name of it, and its port.

        Args:
            host: Value of the header.
        """
        match = _HOST.fullmatch(host.strip().lower())
        if match is None or int(match[2] or 80) != self.port:
            return False
        # A page of another site has a name; where every interface is served, any number may be one of them.
        return match[1] in self._names or (self._anywhere and _is_number(match[1]))

    def server_bind(self) -> None:
        """Bind, without asking a name server for the host's full name, which can take seconds."""
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about connections that a browser has left; anything else is told."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            logger.exception("a request has failed")


def kept_token(file: Path) -> str:
    """A token that stays the same, so that a page that was left open goes on when the server is started again.

    Args:
        file: Holds the token, for its user's eyes only; made if it is not there or holds none.

    Raises:
        OSError: If it cannot be read or written.
    """
    with suppress(FileNotFoundError, UnicodeDecodeError):
        token = file.read_text(encoding="ascii").strip()
        if _TOKEN.fullmatch(token):
            return token
    token = secrets.token_urlsafe(24)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as target:
        target.write(token)
    return token


def _interface(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    if not 0 <= port <= 65535:
        raise ValueError(f"`port`: expected 0 (a free one) to 65535, got {port}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        found = []
    if not host or not found:
        raise ValueError(f"`host`: expected an address of this machine, as 127.0.0.1, or 0.0.0.0 for all, got {host!r}")
    family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, (str(address[0]), port)


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", None)):
        return f"`port`: {port} of {host} is in use; name another one, or leave it out: a free one is taken"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"`host`: this machine has no interface {host}; 127.0.0.1 is the one that only it reaches"
    if error.errno == errno.EACCES:
        return f"`port`: {port} is not allowed to you; ports from 1024 on are, or leave it out: a free one is taken"
    return f"`host`: {host}, port {port} cannot be served: {error.strerror or error}"


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _reachable_as(family: socket.AddressFamily) -> str:
    """The number under which others of the local network reach this machine. Nothing is sent to find it."""
    six = family == socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(("2001:db8::1" if six else "192.0.2.1", 9))
        number = probe.getsockname()[0]
        return f"[{number}]" if six else str(number)
    return "[::1]" if six else "127.0.0.1"


def _has_screen() -> bool:
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open(address: str) -> None:
    with suppress(webbrowser.Error, OSError):
        webbrowser.open_new_tab(address)


def _count(answers: int) -> str:
    return f"{answers} answer{'' if answers == 1 else 's'}"
