"""Cloudflare Workers AI's own API as a scripted provider.

    upstream.answers(workers_ai(model="@cf/meta/llama-3.1-8b-instruct", key="k"))
    upstream.answers(workers_ai(model="@cf/…", key="k", chunks="openai"))    # newer models

Shapes: cloudflare/ai's workers-ai-provider (streaming.ts) and Cloudflare's REST reference: whole answers and errors
have an envelope, chunks of a stream have none. Cloudflare's SDK escapes the slashes of a model's name,
workers-ai-provider does not.
"""

from typing import Literal
from urllib.parse import unquote

from harness.provider_answers import DONE, chunk, data, finish, status, usage
from harness.provider_call import Answer, Call

TEXT = "Hello from Cloudflare"
TOOL_CALLS = [{"name": "weather", "arguments": {"city": "Rome"}}]


def workers_ai(*, model: str, key: str, chunks: Literal["native", "openai"] = "native") -> Answer:
    """Answers a chat as a stream or whole, a call of each tool if there are tools, and embeddings of two numbers."""

    async def answer(call: Call) -> None:
        if call.headers.get("authorization") != f"Bearer {key}":
            await _failed(401, 10000, "Authentication error")(call)
        elif not unquote(call.path).endswith(f"/ai/run/{model}"):
            await _failed(400, 5007, f"No such model {call.path} or task")(call)
        elif "text" in call.body:
            vectors = [[0.5, float(index)] for index, _ in enumerate(call.body["text"])]
            await _succeeded({"shape": [len(vectors), 2], "data": vectors})(call)
        elif call.body.get("stream"):
            await _streamed(call, chunks)
        elif call.body.get("tools"):
            await _succeeded({"response": None, "tool_calls": TOOL_CALLS, "usage": COUNTED})(call)
        else:
            await _succeeded({"response": TEXT, "usage": COUNTED})(call)

    return answer


COUNTED = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def _succeeded(result: object) -> Answer:
    return status(200, body={"result": result, "success": True, "errors": [], "messages": []})


def _failed(code: int, number: int, message: str) -> Answer:
    errors = [{"code": number, "message": message}]
    return status(code, body={"result": None, "success": False, "errors": errors, "messages": []})


async def _streamed(call: Call, chunks: Literal["native", "openai"]) -> None:
    await call.head()
    words = [word if word == "Hello" else f" {word}" for word in TEXT.split(" ")]
    if chunks == "openai":
        await call.write(b"".join(chunk(word) for word in words) + finish() + usage(7, 3))
    elif call.body.get("tools"):
        await call.write(data({"response": "", "tool_calls": TOOL_CALLS}) + data({"response": "", "usage": COUNTED}))
    else:
        for word in words:
            await call.write(data({"response": word, "p": "abdefghij"}))
        await call.write(data({"response": "", "usage": COUNTED}))
    await call.write(DONE)
    await call.end()
