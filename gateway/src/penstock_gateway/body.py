"""The client's own body: where it is decoded, and where alone that it cannot be is the client's fault."""

from typing import Any

from litestar import Request

from penstock_contract.codec import UNREADABLE
from penstock_contract.errors import PenstockError


class ClientRequest(Request[Any, Any, Any]):
    """Nothing of a request's user, auth or state is ours to type."""

    async def json(self) -> Any:
        """Once per request. Raises Litestar's error, or `invalid_request` for what Litestar lets through."""
        try:
            return await super().json()
        except UNREADABLE:
            # Text that is not UTF-8, and nesting without end. Without its cause, which would carry the bytes.
            raise PenstockError("invalid_request", "the request's body is not valid JSON") from None
