"""A stack whose gateways require keys, with its admin API and further gateways on request.

async with KeyedStack() as stack:                      # `stack.client` holds the first key
    made = await stack.create_key(models=["main"])      # the admin API's answer
    response = await stack.with_key(made["key"]).post("/api/chat", json=chat())
    other = await stack.another_gateway()               # its base URL
"""

import secrets
from collections.abc import Mapping
from typing import Any

import httpx
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until
from harness.stack import Stack

FIRST_KEY = "sk-penstock-" + "First0Key1" * 4 + "abcd"
ADMIN_TOKEN = secrets.token_hex(16)


class KeyedStack(Stack):
    def __init__(self, *, gateway_env: Mapping[str, str] | None = None, **options: Any) -> None:
        self.admin_port = free_port()
        keyed = {
            "PENSTOCK_AUTHENTICATION": "required",
            "PENSTOCK_FIRST_KEY": FIRST_KEY,
            "PENSTOCK_ADMIN_PORT": str(self.admin_port),
            "PENSTOCK_ADMIN_TOKEN": ADMIN_TOKEN,
            **(gateway_env or {}),
        }
        super().__init__(gateway_env=keyed, headers={"authorization": f"Bearer {FIRST_KEY}"}, **options)

    async def _start(self) -> None:
        await super()._start()
        self.admin = self.caller(f"http://127.0.0.1:{self.admin_port}", {"authorization": f"Bearer {ADMIN_TOKEN}"})

    def caller(self, url: str | None = None, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
        """A client that is closed with the stack; by default of the gateway, without a key."""
        client = plain_client(url or self.url, timeout=30, headers=headers or {})
        self._cleanup.push_async_callback(client.aclose)
        return client

    def with_key(self, key: str, url: str | None = None) -> httpx.AsyncClient:
        return self.caller(url, {"authorization": f"Bearer {key}"})

    async def create_key(self, name: str = "made by a test", **fields: Any) -> dict[str, Any]:
        """Returns when this stack's gateway has received it."""
        answer = await self.admin.post("/admin/keys", json={"name": name, **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        client = self.with_key(made["key"])

        async def known() -> bool:
            return (await client.get("/v1/models")).status_code == 200

        await until(known, "the gateway accepts the key")
        return made

    async def another_gateway(self, **env: str) -> str:
        """One more gateway on the same broker, ready to serve; returns its URL."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        merged = {
            "PENSTOCK_NATS_URL": self.nats.url,
            **self.gateway_user,
            **self._gateway_env,
            "PENSTOCK_PORT": str(port),
            "PENSTOCK_ADMIN_PORT": str(free_port()),
            **env,
        }
        name = f"gateway-{port}"
        process = Process.python(name, "penstock_gateway", self.directory / f"{name}.log", merged)
        self.processes.append(process)
        client = self.with_key(FIRST_KEY, url)

        async def has_model() -> bool:
            try:
                models = await client.get("/v1/models")
            except httpx.TransportError:
                return False
            return models.status_code == 200 and bool(models.json()["data"])

        await until(has_model, "the other gateway serves")
        return url
