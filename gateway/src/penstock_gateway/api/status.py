"""Endpoints for probes and metrics."""

import platform
from importlib.metadata import version

from litestar import Response, get

from penstock_broker.errors import NOT_CONNECTED
from penstock_contract.endpoint_responses import Health, Readiness
from penstock_contract.endpoints import HEALTH, READY
from penstock_contract.errors import PenstockError
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.endpoint_handler import answers
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.telemetry.exposition import CONTENT_TYPE, Exposition

VERSION = version("penstock-gateway")
RUNTIME = f"penstock/{VERSION} python/{platform.python_version()}"
PUBLIC_RUNTIME = "penstock"
"""For requests without a key: a version shows which advisories apply."""


@answers(HEALTH)
def health(request: ClientRequest) -> Health:
    """Alive: the process answers. The versions are shown to requests with a key."""
    return Health("ok", RUNTIME if request.context.principal.key is not None else PUBLIC_RUNTIME)


@answers(READY)
def ready(api: ApiDependencies) -> Response[Readiness]:
    """Ready: requests can be served; 503 with the reason if not."""
    if not api.connection.connected:
        reason = NOT_CONNECTED
    elif not api.catalogue.loaded or not (api.catalogue.known or api.catalogue.entries):
        reason = "the catalogue of routes is not loaded"
    elif api.keys is not None and not api.keys.loaded:
        reason = "the API keys are not loaded"
    else:
        return Response(Readiness(True, "ok"))
    return Response(Readiness(False, reason), status_code=503)


@get("/metrics", include_in_schema=False)
async def metrics(request: ClientRequest, exposition: Exposition) -> Response[bytes]:
    """Prometheus text format. It names every route and model, so a key that may not use all of them gets a 404."""
    if request.context.principal.restricted:
        raise PenstockError("not_found", "no endpoint at GET /metrics")
    return Response(await exposition.text(), media_type=CONTENT_TYPE)
