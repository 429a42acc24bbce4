"""One table of the codes of errors: HTTP status, OpenAI's error type, retryable, meaning."""

from typing import Literal, NamedTuple

ErrorCode = Literal[
    "invalid_request",
    "invalid_api_key",
    "origin_not_allowed",
    "key_not_found",
    "conflict",
    "receive_timeout",
    "headers_too_large",
    "overloaded",
    "request_too_large",
    "unsupported_content_encoding",
    "unsupported_transfer_coding",
    "not_found",
    "method_not_allowed",
    "model_not_found",
    "model_not_ready",
    "rate_limit_exceeded",
    "budget_exhausted",
    "queue_full",
    "queue_timeout",
    "broker_unavailable",
    "broker_full",
    "gateway_stopping",
    "first_token_timeout",
    "idle_timeout",
    "request_timeout",
    "provider_auth_failed",
    "provider_model_not_found",
    "provider_quota_exhausted",
    "provider_rate_limited",
    "provider_rejected",
    "context_length_exceeded",
    "content_policy_violation",
    "provider_unavailable",
    "provider_stream_broken",
    "unsupported_by_provider",
    "answer_too_large",
    "worker_lost",
    "stream_lost",
    "cancelled",
    "stopped",
    "stream_not_found",
    "response_not_found",
    "slow_client",
    "internal_error",
]


class ErrorKind(NamedTuple):
    """The HTTP meaning of a code. `type` is OpenAI's error type, `retryable` steers `x-should-retry`.

    `meaning` is the code's entry in docs/reference/errors.md (`make docs`), `seen_by` the reader of the code: a client
    of the API, one of the admin API, or only logs and metrics, because the client has left.
    """

    status: int
    type: str
    retryable: bool
    meaning: str
    seen_by: Literal["client", "admin", "log"] = "client"


ERRORS: dict[ErrorCode, ErrorKind] = {
    "invalid_request": ErrorKind(
        400,
        "invalid_request_error",
        False,
        "The JSON is malformed, or a field is invalid or cannot be honoured; `param` names the field.",
    ),
    # OpenAI's type and code for it: its SDKs turn the status into their AuthenticationError.
    "invalid_api_key": ErrorKind(
        401,
        "invalid_request_error",
        False,
        "The API key is missing, invalid, expired or revoked. The response has a `www-authenticate` header.",
    ),
    "origin_not_allowed": ErrorKind(
        403,
        "invalid_request_error",
        False,
        "The browser page's origin, or on loopback without keys the `Host` header, may not use the API.",
    ),
    "key_not_found": ErrorKind(404, "invalid_request_error", False, "No API key has this id.", "admin"),
    "conflict": ErrorKind(
        409,
        "invalid_request_error",
        True,
        "Another request changed the key meanwhile (with `retry-after`), or the key has ended and cannot rotate.",
        "admin",
    ),
    "receive_timeout": ErrorKind(408, "timeout_error", True, "The request's headers or body did not arrive in time."),
    "headers_too_large": ErrorKind(
        431,
        "invalid_request_error",
        False,
        "The request line and headers exceed `PENSTOCK_HEADER_BYTES_MAX`, or there are more than 256 headers.",
    ),
    "overloaded": ErrorKind(
        503,
        "service_unavailable_error",
        True,
        "The gateway's bound of open connections, or of bytes of request bodies, is reached.",
    ),
    "request_too_large": ErrorKind(413, "invalid_request_error", False, "The body exceeds `PENSTOCK_BODY_BYTES_MAX`."),
    "unsupported_content_encoding": ErrorKind(
        415, "invalid_request_error", False, "The body is compressed (`Content-Encoding`); send it uncompressed."
    ),
    "unsupported_transfer_coding": ErrorKind(
        501, "invalid_request_error", False, "The body has a transfer coding other than `chunked`."
    ),
    "not_found": ErrorKind(404, "invalid_request_error", False, "The path is unknown."),
    "method_not_allowed": ErrorKind(
        405, "invalid_request_error", False, "The path does not accept this method; `allow` lists the accepted ones."
    ),
    "model_not_found": ErrorKind(
        404, "invalid_request_error", False, "The model is unknown, or the key does not permit it."
    ),
    "model_not_ready": ErrorKind(
        503,
        "service_unavailable_error",
        True,
        "The route is not ready (the message has the reason), or the gateway has not received the catalogue yet.",
    ),
    "rate_limit_exceeded": ErrorKind(
        429,
        "rate_limit_error",
        True,
        "A limit of the key or route is used up: requests, tokens, open streams or queue share. The message names it.",
    ),
    # OpenAI's type for it. Waiting a little does not help, and its SDKs would wait.
    "budget_exhausted": ErrorKind(
        429,
        "insufficient_quota",
        False,
        "The key's budget is used up until its next period. It also ends open streams.",
    ),
    "queue_full": ErrorKind(
        429,
        "rate_limit_error",
        True,
        "The route has `limits.queueDepth` requests without a first event, or its part of the broker's bytes is used.",
    ),
    "queue_timeout": ErrorKind(
        503,
        "service_unavailable_error",
        True,
        "No worker took the request within `limits.queueTimeoutSeconds`. The message has the reason, if it is known.",
    ),
    "broker_unavailable": ErrorKind(
        503, "service_unavailable_error", True, "NATS is unreachable, or silent for more than 10 s."
    ),
    "broker_full": ErrorKind(
        503, "service_unavailable_error", True, "NATS has no memory or disk left for another request."
    ),
    "gateway_stopping": ErrorKind(
        503, "service_unavailable_error", True, "The gateway had to stop before the answer was complete."
    ),
    "first_token_timeout": ErrorKind(
        504, "timeout_error", True, "The provider sent no first event within `firstTokenTimeoutSeconds`."
    ),
    "idle_timeout": ErrorKind(
        504,
        "timeout_error",
        True,
        "The provider sent nothing for `limits.idleTimeoutSeconds` in the middle of an answer.",
    ),
    "request_timeout": ErrorKind(
        504, "timeout_error", False, "The whole request took longer than `limits.requestTimeoutSeconds`."
    ),
    "provider_auth_failed": ErrorKind(
        502, "api_error", False, "The provider refuses the route's key, or the worker has none."
    ),
    "provider_model_not_found": ErrorKind(502, "api_error", False, "The provider does not have the model."),
    "provider_quota_exhausted": ErrorKind(502, "api_error", False, "The account with the provider is empty."),
    "provider_rate_limited": ErrorKind(
        429,
        "rate_limit_error",
        True,
        "The provider's rate limit persisted after retries; `retry-after` is the provider's.",
    ),
    "provider_rejected": ErrorKind(
        400,
        "invalid_request_error",
        False,
        "The provider found the request invalid; `param` is the field that the provider names.",
    ),
    "context_length_exceeded": ErrorKind(
        400, "invalid_request_error", False, "The input is longer than the model's context."
    ),
    "content_policy_violation": ErrorKind(
        400, "invalid_request_error", False, "The provider's content policy refused the request."
    ),
    "provider_unavailable": ErrorKind(
        502,
        "api_error",
        True,
        "The provider failed or was unreachable, after retries and fallback. The message has the kind of failure.",
    ),
    "provider_stream_broken": ErrorKind(
        502, "api_error", True, "The provider's answer broke off or could not be read."
    ),
    "unsupported_by_provider": ErrorKind(
        400,
        "invalid_request_error",
        False,
        "The provider or model lacks a requested feature: embeddings, `response_format`, images, tools, a parameter.",
    ),
    "answer_too_large": ErrorKind(
        502, "api_error", False, "A non-streamed answer exceeds `PENSTOCK_ANSWER_BYTES_MAX`."
    ),
    "worker_lost": ErrorKind(
        502, "api_error", True, "The worker ended after the first event, or was silent for more than 10 s."
    ),
    "stream_lost": ErrorKind(
        502, "api_error", True, "A part of the answer was lost on the broker, and the worker no longer keeps it."
    ),
    "cancelled": ErrorKind(499, "api_error", False, "The client closed the connection.", "log"),
    "stopped": ErrorKind(
        499, "api_error", False, "The stream was stopped by `DELETE /v1/streams/{id}` before its end."
    ),
    "stream_not_found": ErrorKind(
        404,
        "invalid_request_error",
        False,
        "The key has no stream with this id, or the stream has ended and is not kept any more.",
    ),
    "response_not_found": ErrorKind(
        404,
        "invalid_request_error",
        False,
        "The key has no response with this id, or it was not stored (`spec.streams.keepSeconds`), or not any more.",
    ),
    "slow_client": ErrorKind(
        499, "api_error", False, "The client did not read its answer, and its connection was closed.", "log"
    ),
    "internal_error": ErrorKind(500, "api_error", False, "A defect of Penstock; the gateway's log has the request id."),
}
