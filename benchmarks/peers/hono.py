"""A relay on Hono."""

import json

import install

from peers.peer import Command, Peer, Place, output


class Hono(Peer):
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
        return f"{pinned['hono']}, node-server {pinned['@hono/node-server']}, Node {output('node', '--version')}"
