"""Doors for operators: alive, ready, metrics."""

import platform
from importlib.metadata import version

from litestar import Response, get, route

from penstock_contract.responses import Health, Readiness
from penstock_gateway.desk import Desk

RUNTIME = f"penstock/{version('penstock-gateway')} python/{platform.python_version()}"


@route("/health", http_method=["GET", "HEAD"], sync_to_thread=False)
def health() -> Health:
    """Alive: the process answers."""
    return Health("ok", RUNTIME)


@route("/ready", http_method=["GET", "HEAD"], sync_to_thread=False)
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


@get("/metrics", include_in_schema=False, sync_to_thread=False)
def metrics() -> Response[bytes]:
    """Prometheus text format."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415 - only if somebody asks

    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
