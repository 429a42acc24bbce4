"""The tables of endpoints in docs/how-to/python-client.md and docs/how-to/clients/typescript.md."""

from collections.abc import Callable
from types import NoneType
from typing import Any

from generate.page import table
from penstock_contract import endpoints
from penstock_contract.endpoints import Endpoint, StreamEndpoint

CHUNKS: dict[Any, str] = {
    endpoints.UI_CHAT.chunk: "UIMessageChunk",
    endpoints.RESPONSE_STREAM.chunk: "ResponseEvent",
}
"""Unions, which have no name of their own."""


def declared() -> str:
    return _table(
        ("name", "endpoint", "request", "answer"),
        lambda name: name,
        lambda _, one: f"stream of `{CHUNKS.get(one.chunk) or one.chunk.__name__}`",
    )


def functions() -> str:
    """The table of functions in docs/how-to/clients/typescript.md, named as in client-ts/src/endpoints.ts."""
    return _table(
        ("function", "endpoint", "request", "returns"),
        _camel,
        lambda name, one: f"`EventStream<{_chunk(name, one.chunk)}>`",
    )


def _table(
    heads: tuple[str, ...], shown: Callable[[str], str], stream: Callable[[str, StreamEndpoint[Any, Any]], str]
) -> str:
    return table(
        heads,
        (
            (
                f"`{shown(name)}`",
                f"`{one.method} {one.path.replace(':str', '')}`",
                "none" if one.request is NoneType else f"`{one.request.__name__}`",
                stream(name, one) if isinstance(one, StreamEndpoint) else f"`{one.response.__name__}`",
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
