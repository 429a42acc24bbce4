"""Operations as the gateway decodes them from a client's body."""

from typing import Any

import msgspec

from penstock_contract.anthropic.body import read_messages
from penstock_contract.request.chat_body import read_chat
from penstock_contract.request.embeddings_body import read_embeddings
from penstock_contract.request.operations import ChatOperation, EmbeddingsOperation, MessagesOperation

HELLO: dict[str, Any] = {"role": "user", "content": "hello"}


def chat(*messages: Any, **fields: Any) -> ChatOperation:
    """A chat completion of these messages, `hello` without any."""
    return read_chat(msgspec.json.encode({"model": "m", "messages": list(messages) or [HELLO], **fields})).operation


def embeddings(given: Any, **fields: Any) -> EmbeddingsOperation:
    return read_embeddings(msgspec.json.encode({"model": "m", "input": given, **fields})).operation


def messages(*turns: Any, version: str = "2023-06-01", betas: tuple[str, ...] = (), **fields: Any) -> MessagesOperation:
    """A message of Anthropic's API with these turns, `hello` without any."""
    body = {"model": "m", "max_tokens": 64, "messages": list(turns) or [HELLO], **fields}
    return read_messages(msgspec.json.encode(body)).operation(version, betas)
