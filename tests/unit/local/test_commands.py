"""Each child gets its own variables only, and no key of another."""

from collections.abc import Iterator
from socket import socket

import msgspec
import pytest

from penstock_contract.route.spec import ModelRoute
from penstock_local.credentials import RunCredentials, run_credentials
from penstock_local.process import commands, ports
from penstock_local.routes.plan import PlannedRoute, plan
from penstock_local.routes.route_files import LoadedRoute

ENVIRON = {
    "PATH": "/bin",
    "OPENAI_API_KEY": "sk-1",
    "AWS_SECRET_ACCESS_KEY": "aws",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    "PENSTOCK_LOG_LEVEL": "DEBUG",
    "PENSTOCK_KEY": "a key that a route refers to",
    "PENSTOCK_ADMIN_TOKEN": "nobody's but the gateway's",
    "PENSTOCK_FIRST_KEY": "the gateway's too",
    "PENSTOCK_API_KEY": "a client's",
}
ACCESS = RunCredentials(admin_port=8081, admin_token="t" * 48, first_key=None)


def _planned() -> PlannedRoute:
    document = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "ModelRoute",
        "metadata": {"name": "openai", "namespace": "ai"},
        "spec": {
            "models": [{"name": "m"}],
            "providers": [{"name": "p", "type": "OpenAI", "secretKeyRef": {"name": "openai", "key": "api-key"}}],
        },
    }
    return plan([LoadedRoute("x", msgspec.convert(document, ModelRoute))], ENVIRON, {}, started_at=0)[0]


def _inherited() -> dict[str, str]:
    return commands.inherited(ENVIRON, frozenset({"OPENAI_API_KEY", "PENSTOCK_KEY"}))


def test_commands_pass_the_environment_without_secrets() -> None:
    assert sorted(_inherited()) == ["OTEL_EXPORTER_OTLP_ENDPOINT", "PATH", "PENSTOCK_LOG_LEVEL"]


def test_commands_give_a_worker_its_route_and_its_key() -> None:
    command = commands.worker(_planned(), "nats://t@127.0.0.1:1", ENVIRON, _inherited())
    assert command.name == "worker openai"
    assert command.argv[-1] == "penstock_worker"
    assert command.environ == _inherited() | {
        "PENSTOCK_NAMESPACE": "ai",
        "PENSTOCK_ROUTE": "openai",
        "PENSTOCK_NATS_URL": "nats://t@127.0.0.1:1",
        "PENSTOCK_ALLOWED_ADDRESSES": "127.0.0.0/8,::1/128",
        "OPENAI_API_KEY": "sk-1",
    }


@pytest.fixture
def listener() -> Iterator[socket]:
    with ports.listener("127.0.0.1", 0) as made:
        yield made


def test_commands_give_the_gateway_its_addresses_and_no_key(listener: socket) -> None:
    command = commands.gateway("127.0.0.1", listener, "nats://t@127.0.0.1:1", ACCESS, _inherited())
    assert command.environ == _inherited() | {
        "PENSTOCK_HOST": "127.0.0.1",
        "PENSTOCK_PORT": str(listener.getsockname()[1]),
        "PENSTOCK_LISTEN_DESCRIPTOR": str(listener.fileno()),
        "PENSTOCK_NATS_URL": "nats://t@127.0.0.1:1",
        "PENSTOCK_SHUTDOWN_GRACE_S": "5.0",
        "PENSTOCK_ADMIN_HOST": "127.0.0.1",
        "PENSTOCK_ADMIN_PORT": "8081",
        "PENSTOCK_ADMIN_TOKEN": "t" * 48,
        "PENSTOCK_PLAYGROUND": "true",
    }


def test_commands_leave_the_playground_off_if_the_environment_does(listener: socket) -> None:
    environ = _inherited() | {"PENSTOCK_PLAYGROUND": "false"}
    command = commands.gateway("127.0.0.1", listener, "nats://t@127.0.0.1:1", ACCESS, environ)
    assert command.environ["PENSTOCK_PLAYGROUND"] == "false"


def test_commands_make_a_first_key_if_required_or_read_it_from_the_environment() -> None:
    assert run_credentials("127.0.0.1", 1, {}).first_key is None
    assert (run_credentials("0.0.0.0", 1, {}).first_key or "").startswith("sk-penstock-")
    assert run_credentials("0.0.0.0", 1, {"PENSTOCK_FIRST_KEY": "mine"}).first_key == "mine"
    assert run_credentials("0.0.0.0", 1, {"PENSTOCK_AUTHENTICATION": "off"}).first_key is None
    assert run_credentials("127.0.0.1", 1, {"PENSTOCK_AUTHENTICATION": "required"}).first_key is not None


def test_commands_make_another_admin_token_for_every_run() -> None:
    assert run_credentials("127.0.0.1", 1, {}).admin_token != run_credentials("127.0.0.1", 1, {}).admin_token


def test_commands_give_the_first_key_to_the_gateway_and_not_to_the_worker(listener: socket) -> None:
    keyed = msgspec.structs.replace(ACCESS, first_key="sk-penstock-1")
    gateway = commands.gateway("0.0.0.0", listener, "nats://t@127.0.0.1:1", keyed, _inherited())
    assert gateway.environ["PENSTOCK_FIRST_KEY"] == "sk-penstock-1"
    worker = commands.worker(_planned(), "nats://t@127.0.0.1:1", ENVIRON, _inherited())
    assert not {"PENSTOCK_FIRST_KEY", "PENSTOCK_ADMIN_TOKEN", "PENSTOCK_API_KEY"} & worker.environ.keys()
