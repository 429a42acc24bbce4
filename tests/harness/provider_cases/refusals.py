"""Refusals of providers from public bug reports, and what each means."""

import json
from typing import Any

from harness.provider_answers import stream
from harness.provider_call import Answer, Call
from harness.provider_cases.answers import event


def refusal(status: int, body: object) -> Answer:
    async def answer(call: Call) -> None:
        raw = json.dumps(body).encode()
        await call.head(status, {"content-type": "application/json"}, length=len(raw))
        await call.write(raw)
        await call.end()

    return answer


def openai_error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def anthropic_error(type_: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": type_, "message": message}}


CREDIT = "Your credit balance is too low to access the Anthropic API."
LONG = "prompt is too long: 210000 tokens > 200000 maximum"
REFUSED: dict[str, tuple[str, str, Answer, int, str, bool]] = {
    "4 Anthropic's empty account": (
        "Anthropic's billing errors come as invalid_request_error; loa PR #891",
        "Anthropic",
        refusal(400, anthropic_error("invalid_request_error", CREDIT)),
        502,
        "provider_quota_exhausted",
        True,
    ),
    "4 Anthropic's empty account inside a 200": (
        "Anthropic's streaming errors; claude-code #66314",
        "Anthropic",
        stream(event("error", error={"type": "invalid_request_error", "message": CREDIT})),
        502,
        "provider_quota_exhausted",
        True,
    ),
    "4 OpenAI's hard limit": (
        "OpenAI's error codes: billing_hard_limit_reached",
        "OpenAI",
        refusal(400, openai_error("Billing hard limit has been reached", code="billing_hard_limit_reached")),
        502,
        "provider_quota_exhausted",
        True,
    ),
    "17 too long, Anthropic": (
        "Anthropic's errors; agno #7837",
        "Anthropic",
        refusal(400, anthropic_error("invalid_request_error", LONG)),
        400,
        "context_length_exceeded",
        True,
    ),
    "17 too long, vLLM": (
        "vLLM's serving_engine.py: code is the status; crewAI PR #4619",
        "OpenAI",
        refusal(
            400,
            openai_error(
                "This model's maximum context length is 4096 tokens.",
                type="BadRequestError",
                param="input_tokens",
                code=400,
            ),
        ),
        400,
        "context_length_exceeded",
        True,
    ),
    "17 too long, llama.cpp": (
        "llama.cpp's server: exceed_context_size_error; clients.md 9",
        "OpenAI",
        refusal(400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "too large"}}),
        400,
        "context_length_exceeded",
        True,
    ),
    "17 an empty account whose code is a number": (
        "OpenAI's error types: insufficient_quota; provider_cases.md 17",
        "OpenAI",
        refusal(429, {"error": {"code": 429, "type": "insufficient_quota"}}),
        502,
        "provider_quota_exhausted",
        True,
    ),
    "clients 9 payment required": (
        "RFC 9110 §15.5.3 and OpenRouter's errors: 402 is an empty account",
        "OpenAI",
        refusal(402, openai_error("Insufficient credits", code=402)),
        502,
        "provider_quota_exhausted",
        True,
    ),
    **{
        f"18 plain JSON in a 200: {code}": (
            "OpenAI's error codes; GoModel PR #827, aionrs PR #237",
            "OpenAI",
            refusal(200, {"error": {"code": code, "message": "x"}}),
            status,
            ours,
            again,
        )
        for code, status, ours, again in (
            ("insufficient_quota", 502, "provider_quota_exhausted", True),
            (429, 429, "provider_rate_limited", True),
            ("content_filter", 400, "content_policy_violation", False),
            ("context_length_exceeded", 400, "context_length_exceeded", True),
        )
    },
    "clients 12 a picture for a model without eyes": (
        "llama.cpp's server answers 500 with these words; clients.md 12",
        "OpenAI",
        refusal(500, openai_error("image input is not supported - hint: if this is unexpected, you may need mmproj")),
        400,
        "unsupported_by_provider",
        True,
    ),
}
