"""What the tests of the weights store share: a local server of files, small files, a process that starts anew."""

import hashlib
import http.server
import io
import re

import torch

from iqa_sr.weights import checksums as weight_records

HUB_PATH = "someone/weights/resolve/main/model%2B.pth"


def saved(value, size=1000):
    stream = io.BytesIO()
    torch.save({"w": torch.full((size,), float(value))}, stream)
    return stream.getvalue()


def sha(content):
    return hashlib.sha256(content).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; `break_after` ends an answer's body after so many bytes, as often as `breaks` says."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests, self.status = {}, [], 404
        self.break_after, self.breaks, self.tag, self.says_length = None, 0, '"v1"', True
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        """As a hub does: a file's size, tag and commit."""
        name = self.path.removeprefix("/")
        if name not in self.server.files:
            self.send_error(self.server.status)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.files[name])))
        self.send_header("ETag", self.server.tag)
        if self.server.tag:
            self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()

    def do_GET(self):
        server, name = self.server, self.path.removeprefix("/")
        wanted = self.headers.get("Range")
        if not name.startswith("api/"):  # what the hub's library asks besides
            server.requests.append((name, wanted))
        if name == "moved.pth":
            self.send_response(302)
            self.send_header("Location", server.files[name])
            self.end_headers()
            return
        if name not in server.files:
            self.send_error(404, "Not Found")
            return
        content, start = server.files[name], 0
        if wanted and self.headers.get("If-Range", server.tag) == server.tag:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted).group(1))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if server.says_length:
            self.send_header("Content-Length", str(len(content) - start))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        body = content[start:]
        if server.breaks:
            server.breaks -= 1
            body = body[: server.break_after]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def forget(monkeypatch):
    """What a new process does not know."""
    monkeypatch.setattr(weight_records, "_known", {})
    monkeypatch.setattr("iqa_sr.weights.store._warned", set())
