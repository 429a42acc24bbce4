"""A streaming request of each dialect, for tests of what all of them do."""

from typing import Any

from harness.route_spec import completion
from msgspec import Struct


class StreamRequest(Struct, frozen=True):
    """`end` is what each whole stream of the dialect ends with."""

    path: str
    body: dict[str, Any]
    end: bytes = b"data: [DONE]\n\n"


UI_MESSAGE: dict[str, Any] = {"id": "a", "role": "user", "parts": [{"type": "text", "text": "hi"}]}
RESPONSE: dict[str, Any] = {"model": "main", "input": "hi", "stream": True}
COMPLETED = b'"type":"response.completed"'

REQUESTS = {
    "simple": StreamRequest("/api/chat", completion(stream=True)),
    "chat": StreamRequest("/v1/chat/completions", completion(stream=True)),
    "completions": StreamRequest("/v1/completions", {"model": "main", "prompt": "hi", "stream": True}),
    "messages": StreamRequest(
        "/v1/messages", completion(stream=True, max_tokens=64), b'data: {"type":"message_stop"}\n\n'
    ),
    "responses": StreamRequest("/v1/responses", RESPONSE, COMPLETED),
    "background": StreamRequest("/v1/responses", {**RESPONSE, "background": True}, COMPLETED),
    "ui": StreamRequest(
        "/api/chat", {"id": "chat-1", "model": "main", "messages": [UI_MESSAGE], "trigger": "submit-message"}
    ),
}
"""By dialect; `background` is a response that needs no reader, on a route with `keepSeconds`."""


def ends(request: StreamRequest, read: bytes) -> bool:
    """True if the bytes are a stream to its end."""
    last = read.removesuffix(b"\n\n").rpartition(b"\n\n")[2]
    return read.endswith(b"\n\n") and request.end.strip() in last
