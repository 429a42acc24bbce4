"""compose.yaml: its commands and variables start a whole Penstock, run here as processes instead of containers.

What only a container engine can show (images, volumes, networks) is not tested here: there is none on a build machine.
"""

import contextlib
import os
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from harness.dev import COMMAND
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until

from penstock_gateway.settings import GatewaySettings
from penstock_local.process import nats_server
from penstock_runtime import settings
from penstock_worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def _secrets() -> dict[str, str]:
    done = subprocess.run(["sh", "examples/compose/secrets.sh"], cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def _filled(text: str, environ: dict[str, str]) -> str:
    """As Compose replaces variables."""

    def value(found: re.Match[str]) -> str:
        if environ.get(found["name"]):
            return environ[found["name"]]
        assert found["kind"] == "-", f"{found['name']} is required: {found['text']}"
        return str(found["text"])

    return VARIABLE.sub(value, text)


def _environment(service: str, environ: dict[str, str]) -> dict[str, str]:
    return {name: _filled(value, environ) for name, value in SERVICES[service]["environment"].items()}


def test_compose_settings_are_those_of_the_processes() -> None:
    secrets = _secrets()
    for service, kind in (("gateway", GatewaySettings), ("worker", WorkerSettings)):
        environment = _environment(service, secrets)
        known = {settings.variable(name) for name in kind.__struct_fields__}
        assert {name for name in environment if name.startswith("PENSTOCK_")} <= known
        settings.load(kind, environment)


def test_compose_builds_targets_of_the_dockerfile_and_mounts_files_that_exist() -> None:
    targets = set(re.findall(r"^FROM .+ AS (\S+)$", DOCKERFILE, re.MULTILINE))
    arguments = set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE))
    for name, service in SERVICES.items():
        assert service["build"]["target"] in targets, name
        assert set(service["build"]["args"]) <= arguments
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_compose_publishes_ports_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_compose_requires_its_secrets() -> None:
    for name in ("NATS_TOKEN", "PENSTOCK_FIRST_KEY", "PENSTOCK_ADMIN_TOKEN"):
        others = {other: text for other, text in _secrets().items() if other != name}
        (user, *_) = [one for one, service in SERVICES.items() if f"${{{name}:?" in str(service["environment"])]
        with pytest.raises(AssertionError, match=f"{name} is required: sh examples/compose/secrets.sh"):
            _environment(user, others)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[tuple[str, dict[str, str], dict[str, Process], Path]]:
    """The services, with two workers, on ports of this machine."""
    secrets = _secrets()
    ports = {port: free_port() for port in (4222, 8080, 8081)}
    routes = tmp_path / "routes"
    routes.mkdir()
    for file in (ROOT / "examples" / "compose" / "routes").iterdir():
        (routes / file.name).write_text(file.read_text())
    config = tmp_path / "nats.conf"
    text = (ROOT / "examples" / "compose" / "nats.conf").read_text()
    config.write_text(text.replace('"/data"', f'"{tmp_path}"').replace("port: 4222", f"port: {ports[4222]}"))

    def local(text: str) -> str:
        text = text.replace("@nats:4222", f"@127.0.0.1:{ports[4222]}").replace("0.0.0.0", "127.0.0.1")
        return (
            text.replace("/routes", str(routes))
            .replace("/etc/nats.conf", str(config))
            .replace("8081", str(ports[8081]))
        )

    processes: dict[str, Process] = {}
    try:
        for name in ("nats", "routes", "gateway", "worker", "worker-2"):
            service = name.removesuffix("-2")
            program = str(nats_server.binary()) if service == "nats" else COMMAND
            environ = {key: local(value) for key, value in _environment(service, secrets).items()}
            environ |= {"PENSTOCK_PORT": str(ports[8080]), "PATH": os.environ["PATH"]}
            command = [program, *(local(word) for word in SERVICES[service]["command"])]
            processes[name] = Process(name, command, tmp_path / f"{name}.log", environ, leashed=True)
        yield f"http://127.0.0.1:{ports[8080]}", secrets, processes, routes
    finally:
        for process in reversed(processes.values()):
            await process.end()


async def _answer(url: str, key: str, model: str) -> httpx.Response:
    async with plain_client(url, timeout=60) as client:
        body = {"prompt": "hi", "model": model}
        return await client.post("/api/generate", json=body, headers={"authorization": f"Bearer {key}"})


async def test_compose_serves_with_two_workers_and_follows_an_edit_of_a_route(
    running: tuple[str, dict[str, str], dict[str, Process], Path],
) -> None:
    url, secrets, processes, routes = running
    key = secrets["PENSTOCK_FIRST_KEY"]

    async def served(model: str) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return (await _answer(url, key, model)).status_code == 200
        return False

    await until(lambda: served("simulated"), "the route is served", timeout_s=45)
    assert (await _answer(url, "sk-penstock-" + "x" * 44, "simulated")).status_code == 401
    await processes["worker"].end()
    assert (await _answer(url, key, "simulated")).text.endswith("data: [DONE]\n\n")

    file = routes / "simulated.yaml"
    file.write_text(file.read_text().replace("- name: simulated", "- name: renamed"))
    await until(lambda: served("renamed"), "the edit is served", timeout_s=20)
    assert (await _answer(url, key, "simulated")).status_code == 404
