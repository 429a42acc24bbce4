"""The shape of the errors of a request: Anthropic's for its API, OpenAI's for everything else."""

from typing import Any, Final, cast

from litestar.types import Scope

from penstock_contract.anthropic.errors import MessagesErrorBody, messages_error
from penstock_contract.errors import ErrorBody, ErrorDetail
from penstock_gateway.http.request_id import request_id_of

MESSAGES: Final = "/v1/messages"
MODELS: Final = "/v1/models"
VERSION: Final = b"anthropic-version"
"""The header that every client of Anthropic's API sends."""


def is_anthropics(scope: Scope | None) -> bool:
    """Return whether a request is one of Anthropic's API. `/v1/models` belongs to both: its header decides."""
    request = cast("dict[str, Any]", scope or {})
    path = str(request.get("path", ""))
    if path == MESSAGES or path.startswith(f"{MESSAGES}/"):
        return True
    return path.startswith(MODELS) and any(name == VERSION for name, _ in request.get("headers", ()))


def error_body(
    detail: ErrorDetail, scope: Scope | None, request_id: str | None = None
) -> ErrorBody | MessagesErrorBody:
    """The error in the shape of the request's API; `request_id` where the response has another than the scope."""
    if scope is not None and is_anthropics(scope):
        return messages_error(detail, request_id or request_id_of(scope) or None)
    return ErrorBody.of(detail)
