"""An error as a whole response, where Litestar is not asked: in front of it."""

from litestar.types import Receive, Scope, Send

from penstock_contract.errors import PenstockError
from penstock_gateway.http.errors import headers_of
from penstock_gateway.streaming.renderers.renderer import error_json
from penstock_gateway.telemetry.request_observer import Observer


class Refusal:
    """Counts what it refuses, as the app's own exception handlers do."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    async def send(
        self, error: PenstockError, headers: dict[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        del scope, receive
        self._observer.request_refused(error.code)
        body = error_json(error.detail)
        all_headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            **headers_of(error.detail),
            **headers,
        }
        await send(
            {
                "type": "http.response.start",
                "status": error.kind.status,
                "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in all_headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})
