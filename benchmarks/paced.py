"""The runner's interface to the paced provider and the checking client of load/: start, request, read results."""

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from procs import Tree


class WrongStreamError(Exception):
    """A peer presented a broken stream as a whole one."""


@dataclass(frozen=True)
class Times:
    """A distribution in milliseconds, nearest rank."""

    count: int
    p50: float
    p99: float
    max: float


@dataclass(frozen=True)
class Result:
    """The result of one run of the client; only complete streams are timed."""

    streams: int
    ok: int
    wrong: int  # claimed to be whole and was not
    incomplete: int  # refused, aborted, timed out, or ended by an error event
    errors: list[str]  # the first few
    tokens: int
    peak_live: int
    first_ms: Times
    gap_ms: Times  # between tokens, and from the last token to [DONE]
    tail_ms: Times  # from the last token to [DONE]
    gaps_over_limit: int
    gap_limit_ms: float
    seconds: float

    @classmethod
    def read(cls, wire: dict[str, Any]) -> "Result":
        values = {field.name: wire[field.name] for field in fields(cls)}
        for name in ("first_ms", "gap_ms", "tail_ms"):
            values[name] = Times(**values[name])
        return cls(**{**values, "errors": values["errors"] or []})


class Served:
    """A server of the load's binary on a port of its choice; the caller stops its tree."""

    def __init__(self, binary: Path, command: str, work: Path) -> None:
        log = work / f"{command}.log"
        self.tree = Tree([str(binary), command], env={}, cwd=work, log=log)
        deadline = time.monotonic() + 10
        while not (line := log.read_text()).endswith("\n"):
            if time.monotonic() > deadline or self.tree.root.poll() is not None:
                raise RuntimeError(f"the {command} did not start: {line}")
            time.sleep(0.01)
        self.port = int(line.strip().rpartition(":")[2])

    def request(self, method: str, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path)
            return json.load(connection.getresponse())
        finally:
            connection.close()


class Provider(Served):
    """The upstream of every peer."""

    def __init__(self, binary: Path, work: Path) -> None:
        super().__init__(binary, "provider", work)

    def worst_lateness_ms(self) -> float:
        """The largest delay of a token since the last call: the harness's own share of a gap."""
        return float(self.request("POST", "/lateness")["worst_ms"])


CHAT = "/v1/chat/completions"


def run_client(
    binary: Path, port: int, on_edge: Callable[[int, int], None] | None = None, /, path: str = CHAT, **flags: object
) -> Result:
    """Run the client against a port to its end.

    With a window, `on_edge` is called as it opens and as it closes with the tokens so far and the client's pid. Flags
    are the client's own, see load/client.go.
    """
    argv = [str(binary), "client", "-url", f"http://127.0.0.1:{port}{path}"]
    for name, value in flags.items():
        argv += [f"-{name}", str(value)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        result = None
        for line in process.stdout or ():
            event = json.loads(line)
            if event["event"] == "result":
                result = Result.read(event)
            elif on_edge is not None:
                on_edge(event["tokens"], process.pid)
    if process.returncode != 0 or result is None:
        raise RuntimeError(f"the client ended with {process.returncode}")
    if result.wrong:
        raise WrongStreamError(f"{result.wrong} of {result.streams} streams: " + "; ".join(result.errors))
    return result


def await_port(file: Path, tree: Tree, timeout_s: float = 120) -> int:
    """The port that a peer has written to a file."""
    deadline = time.monotonic() + timeout_s
    while not file.exists():
        _await(tree, deadline, f"no port within {timeout_s:.0f} s of its start")
    return int(file.read_text())


def await_first_token(
    port: int, key: str, tree: Tree, timeout_s: float = 120, *, path: str = CHAT, model: str = "bench"
) -> None:
    """Repeat a streaming request until a token of it arrives; a rejection means that the peer is not ready."""
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "tokens=1"}]})
    deadline = time.monotonic() + timeout_s
    while not _first_token(port, path, key, body):
        _await(tree, deadline, f"no token within {timeout_s:.0f} s of its start")


def _await(tree: Tree, deadline: float, late: str) -> None:
    if tree.root.poll() is not None:
        raise RuntimeError(f"it ended with {tree.root.returncode} at its start")
    if time.monotonic() > deadline:
        raise RuntimeError(late)
    time.sleep(0.01)


def free_port() -> int:
    """A port without a listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _first_token(port: int, path: str, key: str, body: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
        response = connection.getresponse()
        return response.status == http.HTTPStatus.OK and any(_carries_token(line) for line in response)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _carries_token(line: bytes) -> bool:
    if not line.startswith(b"data: {"):
        return False
    return any(choice["delta"].get("content") for choice in json.loads(line.removeprefix(b"data: ")).get("choices", ()))
