"""Typed client of a Penstock gateway: the types are the gateway's own (`penstock_contract`), nothing is generated.

from penstock_client import Client
from penstock_contract.endpoints import CHAT
from penstock_contract.request.operations import ChatRequest, ChatMessage

with Client("http://127.0.0.1:8080") as client:
    with client.stream(CHAT, ChatRequest([ChatMessage("user", "Hello")])) as chunks:
        for chunk in chunks:
            print(chunk.text, end="", flush=True)
"""

from penstock_client.async_client import AsyncClient
from penstock_client.chunk_iterators import AsyncChunks, Chunks
from penstock_client.client import Client
from penstock_client.errors import GatewayError, GatewayUnreachable, StreamTruncated
from penstock_client.http_messages import ResponseInfo

__all__ = [
    "AsyncChunks",
    "AsyncClient",
    "Chunks",
    "Client",
    "GatewayError",
    "GatewayUnreachable",
    "ResponseInfo",
    "StreamTruncated",
]
