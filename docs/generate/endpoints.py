"""The tables of endpoints in docs/how-to/python-client.md and docs/how-to/clients/typescript.md."""

from types import NoneType
from typing import Any

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


def functions() -> str:
    """The table of functions in docs/how-to/clients/typescript.md, named as in client-ts/src/endpoints.ts."""
    return table(
        ("function", "endpoint", "request", "returns"),
        (
            (
                f"`{_camel(name)}`",
                f"`{one.method} {one.path}`",
                "none" if one.request is NoneType else f"`{one.request.__name__}`",
                f"`EventStream<{_chunk(name, one.chunk)}>`"
                if isinstance(one, StreamEndpoint)
                else f"`{one.response.__name__}`",
            )
            for name, one in vars(endpoints).items()
            if isinstance(one, Endpoint | StreamEndpoint)
        ),
    )


def _camel(name: str) -> str:
    first, *others = name.lower().split("_")
    return first + "".join(map(str.capitalize, others))


def _chunk(name: str, chunk: Any) -> str:
    """The name of a chunk's type; a union has one in TypeScript only."""
    camel = _camel(name)
    return str(getattr(chunk, "__name__", f"{camel[0].upper()}{camel[1:]}Chunk"))
