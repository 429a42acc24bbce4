"""Endpoints for operators: alive, ready, metrics."""

import platform
from importlib.metadata import version
from typing import Any

from litestar import Request, Response, get

from penstock_contract.errors import PenstockError
from penstock_contract.responses import Health, Readiness
from penstock_gateway.access.authentication import caller_of
from penstock_gateway.api.dependencies import Desk
from penstock_gateway.telemetry.exposition import CONTENT_TYPE, Exposition

RUNTIME = f"penstock/{version('penstock-gateway')} python/{platform.python_version()}"
PUBLIC_RUNTIME = "penstock"
"""For callers without a key: a version says which advisories to try."""


@get("/health", sync_to_thread=False)
def health(request: Request[Any, Any, Any]) -> Health:
    """Alive: the process answers. The versions are shown to callers with a key."""
    known = caller_of(request.scope).key is not None
    return Health("ok", RUNTIME if known else PUBLIC_RUNTIME)


@get("/ready", sync_to_thread=False)
def ready(desk: Desk) -> Response[Readiness]:
    """Ready: requests can be served; 503 with the reason if not."""
    if not desk.connection.connected:
        reason = "the message broker is away"
    elif not desk.catalogue.loaded or not (desk.catalogue.known or desk.catalogue.entries):
        reason = "the catalogue of routes is not loaded"
    elif desk.ring is not None and not desk.ring.loaded:
        reason = "the API keys are not loaded"
    else:
        return Response(Readiness(True, "ok"))
    return Response(Readiness(False, reason), status_code=503)


@get("/metrics", include_in_schema=False)
async def metrics(request: Request[Any, Any, Any], exposition: Exposition) -> Response[bytes]:
    """Prometheus text format. It names every route and model, so a key that may not use all of them gets a 404."""
    if caller_of(request.scope).restricted:
        raise PenstockError("not_found", "there is nothing at GET /metrics")
    return Response(await exposition.text(), media_type=CONTENT_TYPE)
