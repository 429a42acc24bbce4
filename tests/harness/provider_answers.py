"""Answers of the scripted provider, by the OpenAI dialect: streams, complete answers, errors, silence, cuts."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from harness.provider_call import Answer, Call

SECRET_BODY = "THE-PROVIDERS-OWN-WORDS at /srv/provider/main.py"
"""In every error body of this provider: no client may ever read it."""


def data(value: object) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(**fields: Any) -> bytes:
    """A chat chunk with this delta."""
    return data({"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": fields}]})


def chunk(text: str) -> bytes:
    return delta(content=text)


def finish(reason: str = "stop") -> bytes:
    return data({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


def usage(prompt: int = 3, completion: int = 2, **details: Any) -> bytes:
    counted = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **details}
    return data({"id": "x", "choices": [], "usage": counted})


DONE = b"data: [DONE]\n\n"


def stream(*pieces: bytes) -> Answer:
    """A 200 of these pieces, each its own HTTP chunk, regularly ended."""

    async def answer(call: Call) -> None:
        await call.head()
        for piece in pieces:
            await call.write(piece)
        await call.end()

    return answer


def text_stream(*texts: str, reason: str = "stop") -> Answer:
    """A whole, well-formed chat answer."""
    return stream(*(chunk(text) for text in texts), finish(reason), usage(completion=len(texts)), DONE)


def text_then_cut(*texts: str) -> Answer:
    """These texts, then the connection breaks inside the chunked body."""
    return stream_then_cut(*(chunk(text) for text in texts))


def stream_then_cut(*pieces: bytes) -> Answer:
    async def answer(call: Call) -> None:
        await call.head()
        for piece in pieces:
            await call.write(piece)
        call.close()

    return answer


def text_then_wait(*texts: str) -> Answer:
    """These texts, then silence until the client leaves."""

    async def answer(call: Call) -> None:
        await call.head()
        for text in texts:
            await call.write(chunk(text))

    return answer


def when(gate: asyncio.Event, answer: Answer) -> Answer:
    """Nothing until `gate` is set, then `answer`."""

    async def gated(call: Call) -> None:
        await gate.wait()
        await answer(call)

    return gated


async def silence(call: Call) -> None:
    """Never a byte."""
    del call


async def refuse(call: Call) -> None:
    """The connection is reset before a byte of an answer."""
    call.cut()


def status(code: int, headers: Mapping[str, str] | None = None, body: object = None) -> Answer:
    """An unsuccessful JSON answer; by default its body is `SECRET_BODY`."""
    content = json.dumps({"error": {"message": SECRET_BODY}} if body is None else body).encode()

    async def answer(call: Call) -> None:
        await call.head(code, {"content-type": "application/json", **(headers or {})}, length=len(content))
        await call.write(content)
        call.finished = True

    return answer


def json_answer(value: object) -> Answer:
    return status(200, body=value)


def embeddings(vectors: Iterable[list[float]], tokens: int = 3) -> Answer:
    """A whole embeddings answer, as floats."""
    items = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return json_answer({"object": "list", "data": items, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
