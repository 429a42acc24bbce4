"""Azure OpenAI as a scripted provider: its paths, its header, its frames and its errors.

    upstream.answers(azure_openai(deployment="d", key="k"))                             # the v1 API
    upstream.answers(azure_openai(deployment="d", key="k", api_version="2024-10-21"))   # a dated one

Shapes: openai-node's azure.md and the Azure OpenAI REST reference (a first frame without choices that holds
`prompt_filter_results`, `content_filter_results` in each choice).
"""

from urllib.parse import parse_qs, urlsplit

from harness.provider_answers import DONE, data, embeddings, status, usage
from harness.provider_call import Answer, Call

TEXT = "Hello from Azure"


def azure_openai(*, deployment: str, key: str, api_version: str | None = None) -> Answer:
    """Answers a chat as a stream or complete, as requested, and embeddings of two numbers."""

    async def answer(call: Call) -> None:
        if (refusal := _refusal(call, deployment, key, api_version)) is not None:
            await refusal(call)
        elif "/embeddings" in call.path:
            await embeddings([[0.5, float(index)] for index, _ in enumerate(call.body["input"])])(call)
        elif call.body.get("stream"):
            await _streamed(call)
        else:
            await status(200, body=_whole())(call)

    return answer


def _refusal(call: Call, deployment: str, key: str, api_version: str | None) -> Answer | None:
    parts = urlsplit(call.path)
    if call.headers.get("api-key") != key or "authorization" in call.headers:
        message = "Access denied due to invalid subscription key or wrong API endpoint."
        return status(401, body={"error": {"code": "401", "message": message}})
    named = call.body.get("model") if api_version is None else parts.path.split("/deployments/")[-1].split("/")[0]
    if parse_qs(parts.query).get("api-version", [None]) != [api_version]:
        return status(404, body={"error": {"code": "404", "message": "Resource not found"}})
    if named != deployment:
        message = "The API deployment for this resource does not exist."
        return status(404, body={"error": {"code": "DeploymentNotFound", "message": message}})
    return None


SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}


def _chunk(delta: dict[str, object], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None, "content_filter_results": SAFE}
    return data(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], "usage": None}
    )


async def _streamed(call: Call) -> None:
    await call.head()
    filtered = [{"prompt_index": 0, "content_filter_results": SAFE}]
    await call.write(
        data({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": filtered})
    )
    for word in TEXT.split(" "):
        await call.write(_chunk({"content": word if word == "Hello" else f" {word}"}))
    await call.write(_chunk({}, "stop") + usage(7, 3) + DONE)
    await call.end()


def _whole() -> dict[str, object]:
    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "content_filter_results": SAFE}
    counted = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": counted}
