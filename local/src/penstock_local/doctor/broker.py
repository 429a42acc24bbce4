"""Checks of the NATS that PENSTOCK_NATS_URL names: reached, signed in, JetStream on, clocks equal.

Uses NATS' text protocol on a socket, in a dozen lines: the client of `penstock_broker` connects in the
background and without end, and does not return the reason of a failure.
"""

import datetime as dt
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from penstock_contract import subjects
from penstock_local.doctor.diagnosis import Diagnosis, ok, problem, warning

TIMEOUT_S: Final = 3.0
SKEW_MAX_S: Final = 2.0
"""Deadlines of requests are times of day: a worker with another time drops or repeats them."""
PORT: Final = 4222
_INBOX: Final = "_INBOX.doctor"


class _RefusedError(Exception):
    """The server's own -ERR text."""


class _Line:
    """A connection, after INFO."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), TIMEOUT_S)
        self._file = self._socket.makefile("rb")
        self.info: dict[str, Any] = json.loads(self._file.readline().removeprefix(b"INFO ") or b"{}")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def sign_in(self, access: Mapping[str, str]) -> None:
        options = {"verbose": False, "pedantic": False, "lang": "python", "headers": True, "no_responders": True}
        self._socket.sendall(f"CONNECT {json.dumps({**options, **access})}\r\nPING\r\n".encode())
        while (line := self._file.readline()) != b"PONG\r\n":
            if line.startswith(b"-ERR") or not line:
                raise _RefusedError(line.decode(errors="replace")[4:].strip().strip("'") or "connection closed")

    def request(self, subject: str) -> dict[str, Any]:
        """The answer's JSON; empty if nothing answers."""
        self._socket.sendall(f"SUB {_INBOX} 1\r\nPUB {subject} {_INBOX} 0\r\n\r\n".encode())
        while line := self._file.readline():
            if line.startswith(b"HMSG"):
                return {}
            if line.startswith(b"MSG"):
                data = self._file.read(int(line.split()[-1]) + 2)
                self._socket.sendall(b"UNSUB 1\r\n")
                return dict(json.loads(data))
            if line.startswith(b"-ERR"):
                raise _RefusedError(line.decode(errors="replace")[4:].strip().strip("'"))
        return {}


def check(url: str, credentials: str | None, now: Callable[[], float]) -> Iterator[Diagnosis]:
    parts = urlsplit(url)
    where = f"{parts.hostname}:{parts.port or PORT}"
    try:
        line = _Line(parts.hostname or "", parts.port or PORT)
    except (OSError, ValueError) as error:
        advice = "start NATS, or correct PENSTOCK_NATS_URL; without it, penstock dev starts one of its own"
        yield problem("broker", f"{where} cannot be reached: {error}", advice)
        return
    try:
        yield from _signed_in(line, url, where, credentials, now)
    except _RefusedError as error:
        advice = "correct the user, password or token in PENSTOCK_NATS_URL, or set PENSTOCK_NATS_CREDENTIALS"
        yield problem("broker", f"{where} refuses the connection: {error}", advice)
    except (OSError, ValueError) as error:
        advice = "does NATS listen there? correct PENSTOCK_NATS_URL"
        yield problem("broker", f"{where} does not speak NATS: {error or 'no answer'}", advice)
    finally:
        line.close()


def _signed_in(
    line: _Line, url: str, where: str, credentials: str | None, now: Callable[[], float]
) -> Iterator[Diagnosis]:
    if not line.info:
        raise ValueError("no INFO")
    if line.info.get("tls_required") or credentials is not None:
        yield ok("broker", f"NATS {line.info.get('version')} at {where}; TLS and credentials files are not checked")
        return
    line.sign_in(_access(url))
    yield ok("broker", f"NATS {line.info.get('version')} at {where}")
    if "error" in (account := line.request("$JS.API.INFO")) or not account:
        yield problem("jetstream", f"JetStream is not enabled at {where}", "start nats-server with --jetstream")
        return
    yield ok("jetstream", "enabled")
    stream = line.request(f"$JS.API.STREAM.INFO.KV_{subjects.CATALOGUE_BUCKET}")
    if (written := stream.get("ts")) is None:
        yield warning("clock", "no Penstock has used this NATS: clocks are not compared", "start the operator first")
        return
    yield skew("clock", now() - dt.datetime.fromisoformat(str(written)[:19] + "+00:00").timestamp(), where)


def skew(check: str, seconds: float, where: str) -> Diagnosis:
    # The server's time has whole seconds here.
    if abs(seconds) > SKEW_MAX_S:
        way = "ahead of" if seconds > 0 else "behind"
        found = f"this machine's clock is {abs(seconds):.0f} s {way} that of {where}"
        return problem(check, found, "synchronize both with NTP: deadlines of requests are times of day")
    return ok(check, f"equal to that of {where}")


def _access(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.password is not None:
        return {"user": unquote(parts.username or ""), "pass": unquote(parts.password)}
    return {"auth_token": unquote(parts.username)} if parts.username else {}
