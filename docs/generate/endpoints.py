"""The table of endpoints in docs/how-to/python-client.md."""

from types import NoneType

from generate.table import table
from penstock_contract import endpoints
from penstock_contract.endpoints import Endpoint, StreamEndpoint

CHUNKS = {endpoints.UI_CHAT.chunk: "UIMessageChunk"}
"""Unions, which have no name of their own."""


def declared() -> str:
    return table(
        ("name", "endpoint", "request", "answer"),
        (
            (
                f"`{name}`",
                f"`{one.method} {one.path}`",
                "none" if one.request is NoneType else f"`{one.request.__name__}`",
                f"stream of `{CHUNKS.get(one.chunk) or one.chunk.__name__}`"
                if isinstance(one, StreamEndpoint)
                else f"`{one.response.__name__}`",
            )
            for name, one in vars(endpoints).items()
            if isinstance(one, Endpoint | StreamEndpoint)
        ),
    )
