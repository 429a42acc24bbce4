"""The meaning of a provider's unsuccessful response."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_contract.errors import ErrorCode, PenstockError
from penstock_worker.providers.failure.classification import (
    MESSAGES,
    PROVIDER_RETRY_AFTER_MAX_S,
    SHOWN,
    failure,
    failure_of_error,
    failure_of_status,
    presented,
    refused_field,
    retry_after_s,
)
from penstock_worker.providers.failure.meaning_table import MEANINGS
from penstock_worker.providers.failure.redaction import Redaction
from penstock_worker.providers.openai.parser import ChatParser

STATUSES: dict[int, ErrorCode] = {
    200: "provider_unavailable",
    301: "provider_unavailable",
    400: "provider_rejected",
    401: "provider_auth_failed",
    402: "provider_quota_exhausted",
    403: "provider_auth_failed",
    404: "provider_model_not_found",
    405: "provider_unavailable",
    408: "provider_unavailable",
    413: "context_length_exceeded",
    422: "provider_rejected",
    429: "provider_rate_limited",
    500: "provider_unavailable",
    502: "provider_unavailable",
    503: "provider_unavailable",
    504: "provider_unavailable",
    529: "provider_unavailable",
}


@pytest.mark.parametrize(("status", "code"), STATUSES.items())
def test_failure_of_a_status_has_its_code_and_a_constant_message(status: int, code: ErrorCode) -> None:
    error = failure_of_status(status, {}, b"the provider's own words, with the prompt")

    assert error.code == code
    assert error.detail.message == f"{MESSAGES[code]} (HTTP {status})"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("context_length_exceeded", "context_length_exceeded"),
        ("content_filter", "content_policy_violation"),
        ("content_policy_violation", "content_policy_violation"),
        ("made_up", "provider_rejected"),
    ],
)
def test_failure_of_a_rejection_has_the_meaning_of_its_known_code(said: str, code: ErrorCode) -> None:
    body = b'{"error":{"message":"no","code":"%b"}}' % said.encode()

    assert failure_of_status(400, {}, body).code == code
    assert failure_of_status(422, {}, body).code == code


def test_failure_ignores_a_known_code_outside_a_rejection() -> None:
    assert failure_of_status(500, {}, b'"context_length_exceeded"').code == "provider_unavailable"


def test_failure_ignores_a_message_that_only_mentions_a_code() -> None:
    assert failure_of_status(400, {}, b'{"message":"not a content_filter thing"}').code == "provider_rejected"


def test_failure_of_a_status_has_its_retry_after() -> None:
    assert failure_of_status(429, {"retry-after": "7"}, b"").detail.retry_after_s == 7


@pytest.mark.parametrize("code", MESSAGES)
def test_failure_messages_are_constant_and_end_without_a_full_stop(code: ErrorCode) -> None:
    assert failure(code).detail.message == MESSAGES[code]
    assert not MESSAGES[code].endswith(".")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "", "retry-after": "9"}, 9.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-inf"}, 0.0),
        ({"retry-after": "inf"}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after": "1e308"}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after": "1e400"}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after": "9" * 20}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after": "9" * 5000}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after-ms": "inf"}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after-ms": "1e308"}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after-ms": "nan"}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
        ({"retry-after": "Fri, 31 Feb 2026 25:61:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_as_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)

    assert retry_after_s({"retry-after": date}) == pytest.approx(100, abs=5)


def test_failure_of_an_empty_account_is_not_a_rate_limit() -> None:
    body = b'{"error":{"message":"no money","type":"insufficient_quota","code":"insufficient_quota"}}'
    error = failure_of_status(429, {"retry-after": "20"}, body)

    assert (error.code, error.detail.retry_after_s) == ("provider_quota_exhausted", None)


QUOTA, CONTEXT, POLICY = "provider_quota_exhausted", "context_length_exceeded", "content_policy_violation"
UNSUPPORTED, MODEL, AUTH = "unsupported_by_provider", "provider_model_not_found", "provider_auth_failed"
RATE, UNAVAILABLE, REJECTED = "provider_rate_limited", "provider_unavailable", "provider_rejected"


def openai(message: object = "no", **fields: object) -> dict[str, object]:
    return {"error": {"message": message, **fields}}


def anthropic(type_: str, message: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_1"}


def gemini(code: int, status: str, message: str, *details: object) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


# Provider, status, body, meaning. The sources are named in docs/reference/errors.md.
SAID: list[tuple[str, int, object, str]] = [
    ("OpenAI: no money", 429, openai(type="insufficient_quota", param=None, code="insufficient_quota"), QUOTA),
    ("OpenAI: number as code", 429, {"error": {"code": 429, "type": "insufficient_quota"}}, QUOTA),
    ("OpenAI: hard limit", 400, openai(type="invalid_request_error", code="billing_hard_limit_reached"), QUOTA),
    ("any: 402", 402, b"", QUOTA),
    ("OpenAI: no money, by the message alone", 429, openai("You exceeded your current quota, please check"), QUOTA),
    ("xAI: parameter", 400, {"error": "Argument not supported on this model: presencePenalty"}, UNSUPPORTED),
    ("LM Studio: image", 400, {"error": "Model does not support images. Please use a model that does."}, UNSUPPORTED),
    ("Fireworks: image", 400, openai("Image inputs are not supported for this deployment"), UNSUPPORTED),
    ("DeepSeek: tools", 400, openai("deepseek-reasoner does not support Function Calling"), UNSUPPORTED),
    (
        "Anthropic: no money",
        400,
        anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        QUOTA,
    ),
    ("Anthropic: 402", 402, anthropic("billing_error", "no"), QUOTA),
    (
        "Anthropic: own limit",
        400,
        anthropic("invalid_request_error", "You have reached your specified API usage limits. You will regain access"),
        QUOTA,
    ),
    ("OpenRouter: no money", 402, openai("Insufficient credits. Add more", code=402), QUOTA),
    ("OpenRouter: key's limit", 403, openai("Key limit exceeded (total limit)", code=403), QUOTA),
    (
        "DeepSeek: no money",
        402,
        openai("Insufficient Balance", type="unknown_error", code="invalid_request_error"),
        QUOTA,
    ),
    (
        "xAI: no money",
        429,
        {"code": "Some resource", "error": "Your team x has either used all available credits"},
        QUOTA,
    ),
    ("Moonshot: no money", 429, openai(type="exceeded_current_quota_error"), QUOTA),
    ("Zhipu: no money", 429, openai("余额不足或无可用资源包,请充值。", code="1113"), QUOTA),
    (
        "Cloudflare: free part used up",
        429,
        {"success": False, "errors": [{"code": 3036, "message": "you have used up your daily free allocation"}]},
        QUOTA,
    ),
    ("Bedrock: quota", 400, b'{"__type":"ServiceQuotaExceededException","message":"no"}', QUOTA),
    (
        "Gemini: a day's quota",
        429,
        gemini(
            429, "RESOURCE_EXHAUSTED", "no", {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}
        ),
        QUOTA,
    ),
    ("OpenAI: too long", 400, openai(param="messages", code="context_length_exceeded"), CONTEXT),
    (
        "OpenAI: more than a minute's tokens",
        429,
        openai("Request too large for gpt-4o in organization org-x", code="rate_limit_exceeded"),
        CONTEXT,
    ),
    (
        "vLLM: too long",
        400,
        openai(
            "This model's maximum context length is 4096 tokens …",
            type="BadRequestError",
            param="input_tokens",
            code=400,
        ),
        CONTEXT,
    ),
    (
        "vLLM before 0.9, flat",
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 8",
            "type": "BadRequestError",
            "code": 400,
        },
        CONTEXT,
    ),
    (
        "Anthropic: too long",
        400,
        anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000"),
        CONTEXT,
    ),
    (
        "Anthropic: with the answer too long",
        400,
        anthropic(
            "invalid_request_error", "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"
        ),
        CONTEXT,
    ),
    ("Anthropic: body", 413, anthropic("request_too_large", "Request exceeds the maximum size"), CONTEXT),
    (
        "Gemini: too long",
        400,
        gemini(
            400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of tokens allowed (1)."
        ),
        CONTEXT,
    ),
    (
        "Gemini: as a list",
        400,
        [gemini(400, "INVALID_ARGUMENT", "The input token count exceeds the maximum number")],
        CONTEXT,
    ),
    ("Bedrock: too long", 400, {"message": "Input is too long for requested model."}, CONTEXT),
    (
        "Mistral: too long",
        400,
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
            "type": "invalid_request_error",
            "code": "3051",
        },
        CONTEXT,
    ),
    ("Groq: too long", 400, openai("Please reduce the length of the messages or completion."), CONTEXT),
    (
        "Groq: 413 with a rate limit's code",
        413,
        openai("Request too large", type="tokens", code="rate_limit_exceeded"),
        CONTEXT,
    ),
    (
        "SGLang: too long",
        400,
        {
            "object": "error",
            "message": "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
            "code": 400,
        },
        CONTEXT,
    ),
    (
        "TGI: too long",
        422,
        {
            "error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
            "error_type": "validation",
        },
        CONTEXT,
    ),
    (
        "llama.cpp: too long",
        400,
        openai("the request exceeds the available context size", code=400, type="exceed_context_size_error", n_ctx=512),
        CONTEXT,
    ),
    ("Ollama: too long", 500, {"error": "the input length exceeds the context length"}, CONTEXT),
    ("OpenRouter: too long", 400, openai("This endpoint's maximum context length is 8192 tokens.", code=400), CONTEXT),
    (
        "OpenRouter: of the provider behind it",
        400,
        openai("Provider returned error", code=400, metadata={"raw": '{"error":{"message":"prompt is too long: 5"}}'}),
        CONTEXT,
    ),
    (
        "xAI: too long",
        400,
        {"error": "This model's maximum prompt length is 131072 but the request contains 5"},
        CONTEXT,
    ),
    (
        "Cohere: too long",
        400,
        {"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081"},
        CONTEXT,
    ),
    ("Fireworks: too long", 400, openai("The prompt is too long: 40000, model maximum context length: 32768"), CONTEXT),
    (
        "Azure: filter",
        400,
        openai("filtered", code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}),
        POLICY,
    ),
    (
        "Azure: filter, inner only",
        400,
        openai("no", code=None, innererror={"code": "ResponsibleAIPolicyViolation"}),
        POLICY,
    ),
    ("OpenAI: policy", 400, openai(code="content_policy_violation"), POLICY),
    ("OpenAI: safety system", 400, openai("Your request was rejected as a result of our safety system."), POLICY),
    (
        "Anthropic: filter",
        400,
        anthropic("invalid_request_error", "Output blocked by content filtering policy"),
        POLICY,
    ),
    (
        "OpenRouter: moderation",
        403,
        openai("x requires moderation. Your input was flagged for violence", code=403),
        POLICY,
    ),
    ("DeepSeek: filter", 400, openai("Content Exists Risk", type="invalid_request_error"), POLICY),
    (
        "DashScope: filter",
        400,
        openai("Input data may contain inappropriate content.", code="data_inspection_failed"),
        POLICY,
    ),
    (
        "llama.cpp: image",
        500,
        openai("image input is not supported - hint: mmproj", code=500, type="server_error"),
        UNSUPPORTED,
    ),
    ("OpenAI: image", 400, openai("Invalid content type. image_url is only supported by certain models."), UNSUPPORTED),
    ("OpenAI: parameter", 400, openai(param="max_tokens", code="unsupported_parameter"), UNSUPPORTED),
    ("OpenAI: value", 400, openai(param="temperature", code="unsupported_value"), UNSUPPORTED),
    ("OpenAI: unknown", 400, openai("Unrecognized request argument supplied: foo"), UNSUPPORTED),
    ("OpenRouter: image", 404, openai("No endpoints found that support image input", code=404), UNSUPPORTED),
    (
        "DeepSeek: image",
        422,
        openai("Failed to deserialize: unknown variant `image_url`, expected `text`"),
        UNSUPPORTED,
    ),
    ("vLLM: image", 400, openai("x is not a multimodal model", type="BadRequestError", code=400), UNSUPPORTED),
    ("vLLM: tools", 400, openai('"auto" tool choice requires --enable-auto-tool-choice', code=400), UNSUPPORTED),
    (
        "Ollama: tools",
        400,
        openai("registry.ollama.ai/library/x does not support tools", type="api_error"),
        UNSUPPORTED,
    ),
    (
        "Mistral: unknown field",
        422,
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "foo"], "msg": "no"}]},
        UNSUPPORTED,
    ),
    (
        "Mistral: detail in the message",
        422,
        {"object": "error", "message": {"detail": [{"type": "extra_forbidden"}]}},
        UNSUPPORTED,
    ),
    (
        "Gemini: unknown field",
        400,
        gemini(400, "INVALID_ARGUMENT", 'Unknown name "foo": Cannot find field.'),
        UNSUPPORTED,
    ),
    ("Bedrock: tools", 400, {"message": "This model doesn't support tool use."}, UNSUPPORTED),
    ("Azure: operation", 400, openai(code="OperationNotSupported"), UNSUPPORTED),
    ("OpenAI: model", 404, openai(code="model_not_found"), MODEL),
    ("Groq: model gone", 400, openai(code="model_decommissioned"), MODEL),
    ("Azure: deployment", 404, openai(code="DeploymentNotFound"), MODEL),
    ("OpenRouter: model", 400, openai("foo/bar is not a valid model ID", code=400), MODEL),
    (
        "Mistral: model",
        400,
        {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"},
        MODEL,
    ),
    ("Bedrock: model", 400, {"message": "The provided model identifier is invalid."}, MODEL),
    ("Cloudflare: model", 400, {"success": False, "errors": [{"code": 5007, "message": "no"}]}, MODEL),
    ("DeepSeek: model", 400, openai("Model Not Exist"), MODEL),
    ("Ollama: model", 404, {"error": "model 'x' not found"}, MODEL),
    ("OpenAI: key", 401, openai(code="invalid_api_key"), AUTH),
    (
        "Gemini: key",
        400,
        gemini(
            400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", {"reason": "API_KEY_INVALID"}
        ),
        AUTH,
    ),
    ("Anthropic: disabled", 400, anthropic("invalid_request_error", "This organization has been disabled."), AUTH),
    ("Groq: restricted", 400, openai(code="organization_restricted"), AUTH),
    ("Mistral: key", 401, {"message": "Unauthorized", "request_id": "x"}, AUTH),
    ("Azure: key", 401, {"statusCode": 401, "message": "Unauthorized. Access token is missing"}, AUTH),
    ("Cloudflare: key", 400, {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]}, AUTH),
    ("OpenAI: rate", 429, openai(type="tokens", code="rate_limit_exceeded"), RATE),
    ("Azure: rate", 429, openai("Please retry after 6 seconds.", code="429"), RATE),
    ("Gemini: rate", 429, gemini(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota"), RATE),
    ("Mistral: rate", 429, {"object": "error", "message": "no", "type": "service_tier_capacity_exceeded"}, RATE),
    ("Anthropic: rate", 429, anthropic("rate_limit_error", "no"), RATE),
    ("Bedrock: rate", 429, {"message": "Too many tokens, please wait before trying again."}, RATE),
    ("TGI: overloaded", 429, {"error": "Model is overloaded", "error_type": "overloaded"}, RATE),
    ("Anthropic: overloaded", 529, anthropic("overloaded_error", "Overloaded"), UNAVAILABLE),
    ("Gemini: overloaded", 503, gemini(503, "UNAVAILABLE", "The model is overloaded."), UNAVAILABLE),
    ("llama.cpp: loading", 503, openai("Loading model", code=503, type="unavailable_error"), UNAVAILABLE),
    ("Hugging Face: loading", 503, {"error": "Model x is currently loading", "estimated_time": 20.0}, UNAVAILABLE),
    ("Groq: capacity", 498, openai(code="capacity_exceeded"), UNAVAILABLE),
    ("Ollama: memory", 500, {"error": "model requires more system memory (5 GiB) than is available"}, UNAVAILABLE),
    ("a proxy: HTML", 502, b"<html><title>502 Bad Gateway</title></html>", UNAVAILABLE),
    ("FastAPI: text", 400, {"detail": "nope"}, REJECTED),
    (
        "FastAPI: list",
        422,
        {"detail": [{"loc": ["body", "messages", 0], "msg": "Field required", "type": "missing"}]},
        REJECTED,
    ),
    ("llama.cpp: rejected", 400, openai("no", code=400, type="invalid_request_error"), REJECTED),
    ("S3: XML", 400, b"<?xml?><Error><Code>InvalidRequest</Code><Message>no</Message></Error>", REJECTED),
]


def encoded(body: object) -> bytes:
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


def read_whole(body: bytes) -> None:
    """A body instead of a stream, as the parser reads it."""
    parser = ChatParser()
    parser.feed(body)
    parser.end()


@pytest.mark.parametrize(("status", "body", "code"), [row[1:] for row in SAID], ids=[row[0] for row in SAID])
def test_failure_has_the_meaning_that_the_vendor_documents(status: int, body: object, code: str) -> None:
    assert failure_of_status(status, {}, encoded(body)).code == code


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [row[1:] for row in SAID if row[3] not in {REJECTED, UNAVAILABLE, AUTH, RATE, MODEL} and row[1] not in {402, 413}],
    ids=[
        row[0] for row in SAID if row[3] not in {REJECTED, UNAVAILABLE, AUTH, RATE, MODEL} and row[1] not in {402, 413}
    ],
)
def test_failure_inside_a_200_has_the_same_meaning(status: int, body: object, code: str) -> None:
    del status
    value = msgspec.json.decode(encoded(body))

    assert failure_of_error(value).code == code
    with pytest.raises(PenstockError) as raised:
        read_whole(encoded(value))
    assert raised.value.code == code


NAMED = [(meaning.code, meaning.source, name) for meaning in MEANINGS for name in meaning.names]
WORDED = [(meaning.code, meaning.source, words) for meaning in MEANINGS for words in meaning.wordings]


@pytest.mark.parametrize(("code", "source", "name"), NAMED, ids=[f"{one[1]} {one[2]}" for one in NAMED])
@pytest.mark.parametrize("field", ["code", "type", "status"])
def test_failure_finds_a_name_of_the_table_in_each_field(code: str, source: str, name: str, field: str) -> None:
    del source

    assert failure_of_error({field: name, "message": "no"}).code == code


@pytest.mark.parametrize(("code", "source", "words"), WORDED, ids=[f"{one[1]} {one[2]}" for one in WORDED])
def test_failure_finds_a_wording_of_the_table_inside_a_sentence(code: str, source: str, words: str) -> None:
    del source
    sentence = f"Sorry, {words.replace(' … ', ' 17 of 18 ')} (code 5)"

    assert failure_of_error({"message": sentence}).code == code


@pytest.mark.parametrize("odd", [None, 7, 7.5, True, [], {}, {"a": {"b": 1}}, [[]], "", "x" * 100_000, 10**30])
@pytest.mark.parametrize("field", ["code", "type", "param", "message", "status", "metadata", "details", "innererror"])
def test_failure_reads_the_other_fields_beside_one_of_an_odd_type(field: str, odd: object) -> None:
    error: dict[str, object] = {"code": "insufficient_quota", "type": "insufficient_quota", field: odd}
    body = json.dumps({"error": error}).encode()

    assert failure_of_status(429, {}, body).code == QUOTA


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "error",
                        "message",
                        "code",
                        "type",
                        "detail",
                        "details",
                        "errors",
                        "param",
                        "loc",
                        "metadata",
                        "raw",
                        "status",
                        "retryDelay",
                    ]
                )
                | st.text(),
                inner,
            )
        ),
    )
)
def test_failure_never_raises_for_a_decoded_error(value: object) -> None:
    error = failure_of_error(value)
    shown = presented(error, Redaction(("sk-a-secret-of-ours",), ("api.example.com",)), show=True)
    msgspec.json.encode(shown.detail)

    assert error.code in MESSAGES


@given(st.binary(), st.integers(300, 599))
def test_failure_never_raises_for_a_body(body: bytes, status: int) -> None:
    for cut in (body, b"{" + body, b'{"error":' + body, b'{"error":{"message":"' + body, b"<" + body, b"data: " + body):
        shown = presented(failure_of_status(status, {}, cut), Redaction(), show=True)
        msgspec.json.encode(shown.detail)
        with contextlib.suppress(PenstockError):
            read_whole(cut)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"error":' * 20_000, b"9" * 100_000, b'"\\ud83d"', b"\xff\xfe"])
def test_failure_of_a_hostile_body_is_of_no_known_kind(body: bytes) -> None:
    assert failure_of_status(400, {}, body).code == REJECTED


def test_failure_that_quotes_the_prompt_opens_no_circuit() -> None:
    said = 'Invalid "content": "Your credit balance is too low to access the API"'

    assert failure_of_status(400, {}, encoded(openai(said))).code == REJECTED


def test_failure_ignores_a_validators_copy_of_the_request() -> None:
    item = {
        "loc": ["body", "x"],
        "msg": "no",
        "input": "credit balance is too low",
        "ctx": {"error": "prompt is too long"},
    }
    error = failure_of_status(422, {}, encoded({"detail": [item]}))

    assert (error.code, error.said, error.detail.param) == (REJECTED, "no", "x")


def test_retry_after_is_read_from_the_body_without_a_header() -> None:
    body = encoded(gemini(429, "RESOURCE_EXHAUSTED", "no", {"@type": "RetryInfo", "retryDelay": "17.5s"}))

    assert failure_of_status(429, {}, body).detail.retry_after_s == 17.5
    assert failure_of_status(429, {"retry-after": "3"}, body).detail.retry_after_s == 3


def test_failure_of_bedrock_is_named_by_a_header() -> None:
    headers = {"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/coral"}

    assert failure_of_status(400, headers, b'{"message":"no"}').code == RATE


def test_failure_of_a_body_cut_at_its_bound_has_its_message() -> None:
    assert failure_of_status(400, {}, b'{"error":{"message":"prompt is too long","x":"yyy').code == CONTEXT


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error":{"code":"insufficient_quota","message":"x"}}', QUOTA),
        (b'{"error":{"code":429}}', RATE),
        (b'{"error":{"code":"content_filter"}}', POLICY),
        (b'{"error":{"code":"context_length_exceeded"}}', CONTEXT),
        (b'{"error":"content_filter"}', POLICY),
        (b'{"object":"error","message":"no","code":400}', REJECTED),
        (b'{"error":{"message":"the words of nobody"}}', UNAVAILABLE),
        (b'\xef\xbb\xbf{"error":{"code":401}}', AUTH),
        (b'{"choices":[],"error":{"code":401}}', AUTH),
        (b'{"error":{}}', "provider_stream_broken"),
        (b'{"id":"x"}', "provider_stream_broken"),
        (b"nothing", "provider_stream_broken"),
        (b"", "provider_stream_broken"),
    ],
)
def test_failure_as_the_body_of_a_200_is_distinguished_from_an_answer(body: bytes, code: str) -> None:
    with pytest.raises(PenstockError) as raised:
        read_whole(body)

    assert raised.value.code == code


EXTRA = "Extra inputs are not permitted"


@pytest.mark.parametrize(
    ("status", "body", "field"),
    [
        # OpenAI, organisations that are not verified (community.openai.com/t/1255440; openai-node #1547).
        (
            400,
            openai(
                "Your organization must be verified to stream this model.", param="stream", code="unsupported_value"
            ),
            "stream",
        ),
        (400, openai("Your organization must be verified to stream this model."), "stream"),
        (400, openai("This model does not support streaming"), "stream"),
        (404, openai("Streaming is not supported for this model"), "stream"),
        (404, {"detail": "stream mode is not available for this deployment"}, "stream"),
        (405, {"message": "Streaming is disabled"}, "stream"),
        # FastAPI and pydantic, as vLLM and Mistral answer: the field is in `loc`.
        (
            422,
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": EXTRA}]},
            "stream_options",
        ),
        (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream"], "msg": EXTRA}]}, "stream"),
        # OpenAI's wording of an argument that a server lacks, as Azure's older API versions answer.
        (400, openai("Unrecognized request argument supplied: stream_options"), "stream_options"),
        (400, openai("Unknown parameter: 'stream_options'.", param="stream_options"), "stream_options"),
        (400, openai("bad", param="stream_options.include_usage"), "stream_options"),
        # serde, as TGI and other servers in Rust answer.
        (422, {"error": "Failed to deserialize the JSON body: unknown field `stream_options`"}, "stream_options"),
        # What is about something else.
        (400, openai("no", param="messages"), None),
        (400, openai("the stream of consciousness in the prompt is too long"), None),
        (400, openai("tool 'stream' is not known", param="tools[0].function.name"), None),
        (429, openai("streaming is not available: rate limit"), None),
        (500, openai("the stream could not be opened"), None),
        (401, openai("stream not allowed"), None),
    ],
)
def test_failure_names_the_refused_field_of_a_stream(status: int, body: object, field: str | None) -> None:
    assert refused_field(failure_of_status(status, {}, encoded(body))) == field


OURS = Redaction(("sk-a-secret-of-ours",), ("api.example.com",))


@pytest.mark.parametrize("code", sorted(SHOWN))
def test_failure_about_the_request_is_presented_with_the_providers_redacted_message(code: str) -> None:
    body = encoded({"error": {"message": "foo is odd for sk-a-secret-of-ours at api.example.com", "param": "foo"}})
    error = failure_of_status(400, {}, body)
    error = type(error)(code, error.detail.message, param=error.detail.param, said=error.said)  # type: ignore[arg-type]

    shown = presented(error, OURS, show=True).detail
    assert (shown.message, shown.param) == ("foo is odd for [key] at [address]", "foo")


@pytest.mark.parametrize("code", sorted(set(MESSAGES) - SHOWN))
def test_failure_about_the_account_or_the_providers_state_is_presented_with_a_constant_message(code: ErrorCode) -> None:
    error = failure(code)
    error.said = "your organization org-12345678 has no money"

    assert presented(error, OURS, show=True).detail.message == MESSAGES[code]


def test_failure_of_a_route_that_hides_messages_is_presented_with_the_field_only() -> None:
    error = failure_of_status(400, {}, encoded(openai("their words", param="foo.bar[2]")))

    shown = presented(error, OURS, show=False).detail
    assert shown.message == "the provider rejected the request as invalid (HTTP 400, foo.bar[2])"
    assert shown.param == "foo.bar[2]"


def test_failure_with_an_entirely_redacted_message_is_presented_with_a_constant_one() -> None:
    error = failure_of_status(400, {}, encoded(openai("\u200b\u0007 \n")))

    assert presented(error, OURS, show=True).detail.message == "the provider rejected the request as invalid (HTTP 400)"


@pytest.mark.parametrize(
    "param", ["max_tokens", "messages[0].content", "tools[3].function.name", "other", "messages.A"]
)
def test_failure_names_the_refused_field_of_the_request(param: str) -> None:
    error = failure_of_status(400, {}, encoded(openai("no", param=param)))

    assert presented(error, OURS, show=True).detail.param == param


@pytest.mark.parametrize(
    "param",
    ["sk-secret", "messages in the prompt", "a.example.com", "x" * 100, "sk-a-secret-of-ours", "", 7, None, [], {}],
)
def test_failure_does_not_repeat_an_invalid_field_path(param: object) -> None:
    error = failure_of_status(400, {}, encoded(openai("no", param=param)))

    assert presented(error, OURS, show=True).detail.param is None
