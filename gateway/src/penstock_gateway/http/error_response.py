"""The error response: one set of headers, in the shape of the request's API, with a writer for each place that answers.

`asgi` answers in front of Litestar, `litestar` in its exception handlers, `raw` for what never becomes a request.
"""

import http
import math
from collections.abc import Sequence
from typing import Any

from litestar import Response
from litestar.types import Scope, Send
from msgspec import Struct
from msgspec.json import encode

from penstock_contract.error_codes import ERRORS
from penstock_contract.errors import ErrorDetail
from penstock_gateway.http.error_dialect import error_body

Header = tuple[bytes, bytes]

MEDIA_TYPE = "application/json"
CLIENT_RETRY_AFTER_MAX_S = 31 * 86_400.0
"""The longest wait that a client is sent: until a monthly budget begins again."""


class ErrorResponse(Struct, frozen=True):
    """`extra` are headers beside those that follow from `detail`. Request ids come from the middleware."""

    detail: ErrorDetail
    extra: dict[str, str] = {}

    @property
    def status(self) -> int:
        return ERRORS[self.detail.code].status

    @property
    def headers(self) -> dict[str, str]:
        """`retry-after` in whole seconds (RFC 9110 §10.2.3), and `-ms` for the SDKs that read it. Never raises.

        A wait that is not a number is left out. A longer one than `CLIENT_RETRY_AFTER_MAX_S` is shortened to it.
        """
        headers = {"x-should-retry": "true" if ERRORS[self.detail.code].retryable else "false"}
        wait_s = self.detail.retry_after_s
        if wait_s is not None and not math.isnan(wait_s):
            wait_s = min(max(0.0, wait_s), CLIENT_RETRY_AFTER_MAX_S)
            headers["retry-after"] = str(math.ceil(wait_s))
            headers["retry-after-ms"] = str(math.ceil(wait_s * 1000))
        return {**headers, **self.extra}

    def litestar(self, scope: Scope | None = None) -> Response[Any]:
        body = error_body(self.detail, scope)
        return Response(body, status_code=self.status, headers=self.headers, media_type=MEDIA_TYPE)

    async def asgi(self, send: Send, scope: Scope | None = None) -> None:
        body = encode(error_body(self.detail, scope))
        headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **self.headers}
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def raw(self, request_id: str, extra: Sequence[Header] = (), scope: Scope | None = None) -> bytes:
        """A whole HTTP/1.1 response that closes the connection; `scope` where the request's head has arrived."""
        body = encode(error_body(self.detail, scope, request_id))
        headers = {
            "content-type": MEDIA_TYPE,
            "content-length": str(len(body)),
            "connection": "close",
            "x-request-id": request_id,
            "request-id": request_id,
            **self.headers,
        }
        lines = [
            f"HTTP/1.1 {self.status} {http.HTTPStatus(self.status).phrase}",
            *(f"{name}: {value}" for name, value in headers.items()),
            *(f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in extra),
        ]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


INTERNAL_ERROR = ErrorResponse(ErrorDetail("internal_error", "internal error"))
