"""A small HTTP server in place of the API server."""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.client import ClusterClient
from penstock_operator.kube.credentials import ClusterCredentials
from penstock_operator.kube.transport import Transport

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


OBJECT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "ns", "name": "a"}}


class Server:
    """Answers by `handle`; `seen` are (method, path, query, content type, authorization, body)."""

    def __init__(self, directory: Path) -> None:
        self._config = directory / "kubeconfig"
        self.seen: list[tuple[str, str, dict[str, str], str, str, Any]] = []
        self.calls: list[tuple[str, str, str]] = []
        self.leads = True
        self.handle: Handler = answers({})
        self.port = 0
        self.transport: Transport

    async def receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        authorization = request.headers.get("Authorization", "")
        query = dict(request.query)
        parsed = json.loads(body) if body else None
        self.seen.append((request.method, request.path, query, request.content_type, authorization, parsed))
        return await self.handle(request)

    def write_config(self, user: dict[str, str]) -> None:
        cluster = {"server": f"http://127.0.0.1:{self.port}"}
        config = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        self._config.write_text(yaml.safe_dump(config))

    async def credentials(self) -> ClusterCredentials:
        credentials = ClusterCredentials({"KUBECONFIG": str(self._config)})
        await credentials.load()
        return credentials

    def ended(self, verb: str, resource: str, code: str) -> None:
        self.calls.append((verb, resource, code))


def answers(body: Any, status: int = 200, **headers: str) -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return handle


def refuses(status: int, message: str = "no", **headers: str) -> Handler:
    return answers({"kind": "Status", "status": "Failure", "message": message, "code": status}, status, **headers)


@contextlib.asynccontextmanager
async def connected(directory: Path) -> AsyncIterator[tuple[Server, ClusterClient]]:
    server = Server(directory)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.receive)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    server.write_config({"token": "one"})
    server.transport = Transport(await server.credentials(), server.ended)
    await server.transport.open()
    yield server, ClusterClient(server.transport, may_write=lambda: server.leads)
    await server.transport.close()
    await runner.cleanup()


async def error_from(call: Awaitable[Any]) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await call
    return raised.value
