"""The server of the page of labels, asked without a browser: who may ask, what for, and what is refused."""

import http.client
import json
import os
import signal
import socket
import threading
from contextlib import contextmanager

import pytest

from iqa_sr.data.answers.log import LABELS, LOG, AnswerLog
from iqa_sr.labeling.exchange import Exchange
from iqa_sr.labeling.server import LabelServer, kept_token, serve
from iqa_sr.labeling.session import open_session
from tests.helpers.full_disk import full_device
from tests.helpers.label_servers import ServedSession
from tests.helpers.sr_datasets import make_image, save, write_groups

TOKEN = "a-token-of-the-tests"
LOOKING = {"X-Token": TOKEN, "Content-Type": "application/json"}


@pytest.fixture
def source(tmp_path):
    for number in range(6):
        for shift, version in enumerate(("first-version", "second-version")):
            save(tmp_path / "data" / version / f"p{number}.png", make_image(number) // (1 + shift))
    return tmp_path / "data"


@contextmanager
def serving(source, host="127.0.0.1", **options):
    with open_session([source], "ann", **options) as session, LabelServer(session, host, token=TOKEN) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server, path, method="GET", body=None, headers=(), host=None):
    """Status, headers and body of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in {"Host": host or f"127.0.0.1:{server.port}", **dict(headers)}.items():
            connection.putheader(name, value)
        if body is not None and "Content-Length" not in dict(headers):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def state_of(server):
    status, _, body = ask(server, f"/api/state?token={TOKEN}")
    assert status == 200
    return json.loads(body)


def send(server, path, content):
    status, _, body = ask(server, path, "POST", json.dumps(content).encode(), LOOKING)
    return status, json.loads(body) if status in (200, 409) else body.decode()


def answer_to(state, choice="left", **changes):
    question = state["question"]
    return {"number": question["number"], "question": question["question"], "choice": choice, "seconds": 1.5, **changes}


# --- Who may ask ------------------------------------------------------------------------------------------------------


def test_nothing_is_told_without_the_token(source):
    with serving(source) as server:
        image = state_of(server)["question"]["left"]
        for path in ("/", "/api/state", image, "/nothing"):
            for token in ("", "?token=", f"?token={TOKEN[:-1]}", f"?token={TOKEN}x", "?token=%ff%00%c3%a9"):
                joined = token.replace("?", "&") if "?" in path else token
                status, headers, body = ask(server, path + joined)
                assert status == 403 and b"the token is missing or wrong" in body
                assert headers["Content-Type"].startswith("text/plain")
        status, _, body = ask(server, f"/api/answer?token={TOKEN}", "POST", b"{}")  # another page could send that
        assert status == 403 and AnswerLog(source / LABELS / "ann" / LOG).answers == []


def test_another_sites_name_is_refused(source):
    with serving(source) as server:
        path = f"/?token={TOKEN}"
        for host in (f"localhost:{server.port}", f"LOCALHOST:{server.port}", f"[::1]:{server.port}"):
            assert ask(server, path, host=host)[0] == 200
        own = server.port
        others = ("evil.example", f"evil.example:{own}", "127.0.0.1", f"127.0.0.1:{own + 1}", f"10.0.0.1:{own}")
        for host in (*others, f"a@127.0.0.1:{own}", f"127.0.0.1:{own}.evil.example"):
            status, _, body = ask(server, path, host=host)
            assert status == 403 and f"answers as http://127.0.0.1:{own}/ only".encode() in body


def test_all_interfaces_answer_to_numbers_and_the_own_name(source):
    with serving(source, host="0.0.0.0") as server:
        for host in ("10.0.0.1", "127.0.0.1", socket.gethostname()):
            assert server.is_served(f"{host}:{server.port}")
        assert not server.is_served(f"evil.example:{server.port}")
        assert "0.0.0.0" not in server.address  # which no browser could open


# --- What is asked ----------------------------------------------------------------------------------------------------


def test_a_session_from_the_first_question_to_the_summary(source):
    with serving(source, count=3) as server:
        choices = ["left", "same", "skip"]
        for number, choice in enumerate(choices, start=1):
            state = state_of(server)
            assert state["question"]["number"] == number and state["summary"] is None
            assert state["progress"] == {"answered": number - 1, "planned": 3, "message": "", "finished": False}
            assert "version" not in json.dumps(state) and "p0" not in json.dumps(state)  # no names
            for side in ("left", "right"):
                status, headers, body = ask(server, f"{state['question'][side]}&token={TOKEN}")
                assert (status, headers["Content-Type"], body[:4]) == (200, "image/png", b"\x89PNG")
                assert headers["Cache-Control"] == "no-store" and "Access-Control-Allow-Origin" not in headers
            status, after = send(server, "/api/answer", answer_to(state, choice))
            assert status == 200 and after["progress"]["answered"] == number
            assert len(AnswerLog(source / LABELS / "ann" / LOG).answers) == number  # on the disk by now
        assert after["question"] is None and "second-version" in "\n".join(after["summary"])
        answers = AnswerLog(source / LABELS / "ann" / LOG).answers
        assert [answer.choice for answer in answers] == [answers[0].question.left, "same", "skip"]
        assert send(server, "/api/undo", {"answered": 3})[1]["question"]["number"] == 3


def test_a_groups_version_is_the_left_image(tmp_path):
    source = write_groups(tmp_path / "data")
    with serving(source) as server:
        for choice in ("better", "worse", "similar"):
            status, _ = send(server, "/api/answer", answer_to(state_of(server), choice))
            assert status == 200
        status, text = send(server, "/api/answer", answer_to(state_of(server), "left"))
        assert status == 400 and "expected one of better, similar, worse, got left" in text
    other = {"first": "second", "second": "first"}
    better, worse, similar = AnswerLog(source / LABELS / "ann" / LOG).answers
    assert (better.choice, similar.choice) == (better.question.left, "same")
    assert worse.choice == other[worse.question.left]


def test_no_image_is_shown_under_its_name_where_it_is_compared(tmp_path):
    source = write_groups(tmp_path / "data")
    for versions, offered in (((), False), (("01", "02"), True)):
        with open_session([source], f"ann{len(versions)}", mode="pairs", checkpoints=versions) as session:
            exchange = Exchange(session, "secret")
            while (state := exchange.state())["question"] is not None:
                assert (state["question"]["original"] is not None) == offered  # also of pairs without the original
                exchange.answer(answer_to(state))
            assert session.progress().answered >= 4


def test_what_comes_twice_or_late_changes_nothing(source):
    with serving(source) as server:
        first = state_of(server)
        assert send(server, "/api/answer", answer_to(first))[0] == 200
        status, state = send(server, "/api/answer", answer_to(first))
        assert status == 409 and state["question"]["number"] == 2
        assert ask(server, f"{first['question']['left']}&token={TOKEN}")[0] == 404
        other = answer_to(state, question=first["question"]["question"])  # the number of one, the digest of the other
        assert send(server, "/api/answer", other)[0] == 409
        assert send(server, "/api/undo", {"answered": 1})[0] == 200
        assert send(server, "/api/undo", {"answered": 1})[0] == 409
        assert state_of(server) == first


def test_requests_that_are_none_are_refused(source):
    with serving(source) as server:
        good = answer_to(state_of(server))
        for change, text in (
            ({"choice": "best"}, "choice"),
            ({"seconds": -1}, "seconds"),
            ({"seconds": float("nan")}, "seconds"),
            ({"number": "1"}, "number"),
            ({"path": "../../etc/passwd"}, "path"),
        ):
            status, said = send(server, "/api/answer", {**good, **change})
            assert status == 400 and text in said
        for body in (b"", b"{", b"[" * 4000, b"\xff", b"[]", b"null", b'{"number": 1, "number": 1}'):
            assert ask(server, "/api/answer", "POST", body, LOOKING)[0] == 400
        assert ask(server, "/api/answer", "POST", b" " * 5000, LOOKING)[0] == 413
        assert ask(server, "/api/answer", "POST", None, {**LOOKING, "Content-Length": "x"})[0] == 413
        assert ask(server, "/api/answer", "POST", None, {**LOOKING, "Transfer-Encoding": "chunked"})[0] == 413
        status, headers, _ = ask(server, "/api/answer", "PUT", b"{}", LOOKING)
        assert status == 405 and headers["Allow"] == "POST"
        status, headers, _ = ask(server, "/api/state", "DELETE", headers=LOOKING)
        assert status == 405 and headers["Allow"] == "GET"
        for path in ("/image/1/first.png", "/image/1/../../../etc/passwd", "/labels/ann/answers.jsonl", "//etc/passwd"):
            assert ask(server, f"{path}?token={TOKEN}")[0] == 404
        assert ask(server, f"/image/1/lq.png?question={good['question']}&token={TOKEN}")[0] == 404  # there is none
        assert AnswerLog(source / LABELS / "ann" / LOG).answers == []
        assert send(server, "/api/answer", good)[0] == 200


def test_the_page_runs_its_own_script_and_no_other(source):
    with serving(source) as server:
        _, headers, body = ask(server, f"/?token={TOKEN}")
        policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
        nonce = policy["script-src"].strip("'").removeprefix("nonce-")
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'" and policy["connect-src"] == "'self'"
        assert body.decode().count("<script") == body.decode().count(f'<script nonce="{nonce}">') == 1
        assert TOKEN.encode() not in body and b"first-version" not in body and b"http" not in body
        assert nonce not in ask(server, f"/?token={TOKEN}")[1]["Content-Security-Policy"]


def test_a_full_disk_keeps_the_question(source, capfd):
    with serving(source) as server:
        state = state_of(server)
        log = source / LABELS / "ann" / LOG
        with full_device(log.stat().st_size):
            status, text = send(server, "/api/answer", answer_to(state))
        assert (status, text) == (507, "this answer is not kept: File too large\n")
        assert state_of(server) == state and AnswerLog(log).answers == []
        assert send(server, "/api/answer", answer_to(state))[0] == 200


def test_an_image_that_is_damaged_is_named_in_the_terminal_alone(source, caplog):
    with serving(source) as server:
        state = state_of(server)
        for version in ("first-version", "second-version"):
            for file in (source / version).iterdir():
                file.write_bytes(b"no image")
        status, _, body = ask(server, f"{state['question']['left']}&token={TOKEN}")
        assert status == 500 and b"cannot be read; the terminal" in body and b"version" not in body
        assert "version" in caplog.text


# --- The address ------------------------------------------------------------------------------------------------------


def test_addresses_that_cannot_be_served(source):
    with serving(source) as server, open_session([source], "ben") as session:
        with pytest.raises(OSError, match=rf"`port`: {server.port} of 127.0.0.1 is in use; name another one"):
            serve(session, port=server.port, open_browser=False)
        for host, text in (
            ("no.such.host.invalid", "expected an address of this machine"),
            ("192.0.2.1", "no interface"),
        ):
            with pytest.raises((ValueError, OSError), match=f"`host`: .*{text}"):
                serve(session, host=host, open_browser=False)
        with pytest.raises(ValueError, match="`port`: expected 0 .* to 65535, got 70000"):
            serve(session, port=70000, open_browser=False)


def test_a_token_stays(tmp_path):
    file = tmp_path / "ann" / "token"
    token = kept_token(file)
    assert len(token) >= 32 and kept_token(file) == token
    assert os.name == "nt" or file.stat().st_mode & 0o077 == 0
    file.write_text("short")
    assert len(kept_token(file)) >= 32


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_with_a_line_of_what_was_answered(source, number):
    with ServedSession(source) as served:
        state = json.loads(ask(served, f"/api/state?token={served.token}")[2])
        content = json.dumps(answer_to(state)).encode()
        assert ask(served, "/api/answer", "POST", content, {"X-Token": served.token})[0] == 200
        assert served.end(number) == 0
        first, *_, last = served.said.read_text().splitlines()
        assert first == f"ann: open {served.address}"
        assert last == "ann: 1 answer since it was started, 1 answer in all"
