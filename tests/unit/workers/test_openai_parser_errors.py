"""Broken streams and errors of OpenAI and compatible servers."""

import pytest
from unit.support.openai_choices import STOP, choice
from unit.support.openai_chunks import DONE, data
from unit.support.parsing import assert_parsed_however_cut, parse

from penstock_contract.error_codes import ErrorCode
from penstock_contract.errors import PenstockError
from penstock_contract.stream.events import TextDelta
from penstock_worker.providers.openai.parser import ChatParser

FAILURES: dict[str, tuple[bytes, ErrorCode]] = {
    "cut before the finish": (choice(content="Hi"), "provider_stream_broken"),
    "cut inside an event": (choice(content="Hi") + STOP[:-3], "provider_stream_broken"),
    "an empty body": (b"", "provider_stream_broken"),
    "[DONE] without a finish": (choice(content="Hi") + DONE, "provider_stream_broken"),
    "not JSON": (choice(content="Hi") + b"data: {nonsense\n\n", "provider_stream_broken"),
    "JSON of another shape": (choice(content="Hi") + data({"choices": {"delta": 1}}), "provider_stream_broken"),
    "not UTF-8": (b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n' + STOP, "provider_stream_broken"),
    "JSON nested without end": (b'data: {"x":' + b"[" * 5_000 + b"\n\n", "provider_stream_broken"),
    "a web page": (b"<html><body>502</body></html>", "provider_stream_broken"),
    "a nested error": (
        choice(content="Hi") + data({"error": {"message": "boom", "type": "server_error", "code": None}}),
        "provider_unavailable",
    ),
    "an error as a word": (choice(content="Hi") + data({"error": "boom"}), "provider_unavailable"),
    "vLLM's error": (
        choice(content="Hi") + data({"object": "error", "message": "boom", "code": 500}),
        "provider_unavailable",
    ),
    "a flat error": (choice(content="Hi") + data({"message": "boom"}) + DONE, "provider_unavailable"),
    "OpenRouter's error beside a finish": (
        choice(content="Hi")
        + data(
            {
                "error": {"code": "server_error", "message": "boom"},
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
            }
        )
        + DONE,
        "provider_unavailable",
    ),
    "a finish that is an error": (choice(content="Hi") + choice("error") + DONE, "provider_unavailable"),
    "a rate limit inside a 200": (data({"error": {"code": 429, "message": "slow"}}), "provider_rate_limited"),
    "a rate limit by its type": (data({"error": {"type": "rate_limit_error"}}), "provider_rate_limited"),
    "a context too long inside a 200": (
        data({"error": {"code": "context_length_exceeded", "message": "long"}}),
        "context_length_exceeded",
    ),
    "a content filter inside a 200": (data({"error": {"code": "content_filter"}}), "content_policy_violation"),
}


@pytest.mark.parametrize(("stream", "code"), FAILURES.values(), ids=FAILURES)
def test_chat_parser_reports_a_broken_stream_as_an_error(stream: bytes, code: ErrorCode) -> None:
    assert parse(ChatParser(), stream)[1] == code


@pytest.mark.parametrize(
    ("stream", "code"), [value for key, value in FAILURES.items() if "nested without" not in key], ids=lambda _: ""
)
def test_chat_parser_reports_a_broken_stream_cut_anywhere_as_the_same_error(stream: bytes, code: ErrorCode) -> None:
    events = [TextDelta("Hi")] if b'"Hi"' in stream else []

    assert_parsed_however_cut(ChatParser, stream, (events, code))


def test_chat_parser_keeps_the_message_of_a_failing_provider_out_of_its_error() -> None:
    parser = ChatParser()

    with pytest.raises(PenstockError) as error:
        parser.feed(data({"error": {"message": "your key sk-secret is bad", "code": "sk-secret"}}))

    assert "secret" not in str(error.value.detail)
