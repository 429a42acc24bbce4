"""The meaning of a provider's error body, in the forms of the vendors."""

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.support.vendor_bodies import (
    AUTH,
    CONTEXT,
    MODEL,
    POLICY,
    QUOTA,
    RATE,
    REJECTED,
    UNAVAILABLE,
    encoded,
    gemini,
    openai,
)
from unit.support.vendor_errors import OTHER_ERRORS
from unit.support.vendor_limit_errors import LIMIT_ERRORS

from penstock_contract.errors import PenstockError
from penstock_worker.providers.failure.error_table import ERROR_TABLE
from penstock_worker.providers.failure.provider_failure import (
    MESSAGES,
    failure_of_error,
    failure_of_status,
    presented,
    refused_field,
)
from penstock_worker.providers.failure.redaction import Redaction
from penstock_worker.providers.openai.parser import ChatParser

ERRORS = LIMIT_ERRORS + OTHER_ERRORS


def read_whole(body: bytes) -> None:
    """A body instead of a stream, as the parser reads it."""
    parser = ChatParser()
    parser.feed(body)
    parser.end()


@pytest.mark.parametrize(("status", "body", "code"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_failure_has_the_meaning_that_the_vendor_documents(status: int, body: object, code: str) -> None:
    assert failure_of_status(status, {}, encoded(body)).code == code


INSIDE_200 = [
    row for row in ERRORS if row[3] not in {REJECTED, UNAVAILABLE, AUTH, RATE, MODEL} and row[1] not in {402, 413}
]


@pytest.mark.parametrize(
    ("status", "body", "code"), [row[1:] for row in INSIDE_200], ids=[row[0] for row in INSIDE_200]
)
def test_failure_inside_a_200_has_the_same_meaning(status: int, body: object, code: str) -> None:
    del status
    value = msgspec.json.decode(encoded(body))

    assert failure_of_error(value).code == code
    with pytest.raises(PenstockError) as raised:
        read_whole(encoded(value))
    assert raised.value.code == code


NAMED = [(meaning.code, meaning.source, name) for meaning in ERROR_TABLE for name in meaning.names]
WORDED = [(meaning.code, meaning.source, words) for meaning in ERROR_TABLE for words in meaning.wordings]


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
    quoted = 'Invalid "content": "Your credit balance is too low to access the API"'

    assert failure_of_status(400, {}, encoded(openai(quoted))).code == REJECTED


def test_failure_ignores_a_validators_copy_of_the_request() -> None:
    item = {
        "loc": ["body", "x"],
        "msg": "no",
        "input": "credit balance is too low",
        "ctx": {"error": "prompt is too long"},
    }
    error = failure_of_status(422, {}, encoded({"detail": [item]}))

    assert (error.code, error.provider_message, error.detail.param) == (REJECTED, "no", "x")


def test_retry_after_is_read_from_the_body_without_a_header() -> None:
    body = encoded(gemini(429, "RESOURCE_EXHAUSTED", "no", {"@type": "RetryInfo", "retryDelay": "17.5s"}))

    assert failure_of_status(429, {}, body).detail.retry_after_s == 17.5
    assert failure_of_status(429, {"retry-after": "3"}, body).detail.retry_after_s == 3


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error":{"code":"insufficient_quota","message":"x"}}', QUOTA),
        (b'{"error":{"code":429}}', RATE),
        (b'{"error":{"code":"content_filter"}}', POLICY),
        (b'{"error":{"code":"context_length_exceeded"}}', CONTEXT),
        (b'{"error":"content_filter"}', POLICY),
        (b'{"object":"error","message":"no","code":400}', REJECTED),
        (b'{"error":{"message":"unlisted words"}}', UNAVAILABLE),
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
