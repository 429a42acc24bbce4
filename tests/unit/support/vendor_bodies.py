"""Error bodies in the forms of the vendors, and the codes of their meanings."""

import msgspec

QUOTA, CONTEXT, POLICY = "provider_quota_exhausted", "context_length_exceeded", "content_policy_violation"
UNSUPPORTED, MODEL, AUTH = "unsupported_by_provider", "provider_model_not_found", "provider_auth_failed"
RATE, UNAVAILABLE, REJECTED = "provider_rate_limited", "provider_unavailable", "provider_rejected"


def openai(message: object = "no", **fields: object) -> dict[str, object]:
    return {"error": {"message": message, **fields}}


def anthropic(type_: str, message: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_1"}


def gemini(code: int, status: str, message: str, *details: object) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def encoded(body: object) -> bytes:
    return body if isinstance(body, bytes) else msgspec.json.encode(body)
