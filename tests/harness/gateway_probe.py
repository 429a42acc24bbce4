"""Requests that show the state of a gateway: readiness, and the models that it lists."""

import httpx
from harness.processes import Process


async def is_ready(process: Process, client: httpx.AsyncClient) -> bool:
    """True if `GET /ready` reports no problem, as with a broker away. Raises if the process has exited."""
    if not process.alive:
        raise AssertionError(f"the gateway has exited with {process.exit_code}:\n{process.log()}")
    try:
        return bool((await client.get("/ready")).json() == {"ready": True, "reason": "ok"})
    except httpx.TransportError:
        return False


async def lists(client: httpx.AsyncClient, model: str) -> bool:
    """True if `GET /v1/models` has the model."""
    try:
        answer = await client.get("/v1/models")
    except httpx.TransportError:
        return False
    return any(one["id"] == model for one in answer.json().get("data", []))
