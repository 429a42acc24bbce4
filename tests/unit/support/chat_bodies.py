"""Reading a client's chat body, and its errors."""

import json
from typing import Any

import pytest

from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_body import ChatBody, read_chat

HELLO = b'{"model":"m","messages":[{"role":"user","content":"hi"}]'


def read(more: bytes = b"") -> ChatBody:
    return read_chat(HELLO + (b"," + more if more else b"") + b"}")


def chat(**fields: Any) -> ChatBody:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    return read_chat(json.dumps(body).encode())


def refused(body: bytes) -> tuple[str | None, str]:
    with pytest.raises(PenstockError) as error:
        read_chat(body)
    assert error.value.code == "invalid_request"
    return error.value.detail.param, error.value.detail.message


def parts(*content: Any) -> ChatBody:
    return chat(messages=[{"role": "user", "content": list(content)}])
