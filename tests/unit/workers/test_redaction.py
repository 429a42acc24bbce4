"""A provider's message for clients contains neither credentials nor the provider's address."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_worker.providers.failure.redaction import INPUT_MAX, MESSAGE_MAX, Redaction

SECRET = "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-abcdEFGH"
HERE = Redaction((SECRET,), ("vllm.models.svc.cluster.local", "llm"))

REMOVED: dict[str, tuple[str, str]] = {
    "the key": (f"bad key {SECRET}.", "bad key [key]."),
    "the key in another case": (f"bad key {SECRET.upper()}", "bad key [key]"),
    "its beginning": ("bad key sk-ant-api03-AbCd", "bad key [key]"),
    "a piece of it": ("bad key IjKlMnOpQrSt", "bad key [key]"),
    "its last letters": ("a key that ends in EFGH", "a key that ends in [key]"),
    "masked by dots": ("bad key sk-ant-...EFGH!", "bad key [key]!"),
    "masked by an ellipsis": ("bad key sk-…EFGH", "bad key [key]"),
    "masked by stars": ("bad key sk-an****************EFGH", "bad key [key]"),
    "broken by invisible letters": (f"bad key {SECRET[:9]}\u200b{SECRET[9:]}", "bad key [key]"),
    "a bearer token": ("got Bearer zyxwvutsrq", "got [key]"),
    "a header": ("with x-api-key: abcd1234 sent", "with [key] sent"),
    "another's key": ("bad key gsk_Abc123Def456", "bad key [key]"),
    "Google's key": ("bad key AIzaSyA1234567890abcdefg", "bad key [key]"),
    "Amazon's key": ("bad key AKIAIOSFODNN7EXAMPLE", "bad key [key]"),
    "a JWT": ("bad eyJhbGciOi.eyJzdWIiOi.c2lnbmF0", "bad [key]"),
    "32 hex digits": ("bad 0123456789abcdef0123456789abcdef", "bad [key]"),
    "an account": ("in organization org-AbC123def456", "in organization [key]"),
    "a URL": ("see https://docs.example.com/errors?x=1 for it", "see [address] for it"),
    "a URL without a scheme": ("see platform.openai.com/account/keys for it", "see [address] for it"),
    "the provider's host": ("at vllm.models.svc.cluster.local:8000", "at [address]"),
    "a host of one word": ("at llm:8000 or llm", "at [address] or [address]"),
    "this machine": ("at localhost:8000", "at [address]"),
    "an IPv4 address": ("at 10.0.12.7:8000, so", "at [address], so"),
    "an IPv6 address": ("at [fe80::1]:80 and ::1", "at [address] and [address]"),
    "a mail address": ("ask a.b@example.com", "ask [address]"),
    "a path": ("in /srv/provider/main.py line 3", "in [path] line 3"),
    "control characters": ("a\x00b\x1b[31mc\r\nd\x85e\u202ef\ud83d", "ab[31mc d ef"),
}


@pytest.mark.parametrize(("text", "cleaned"), REMOVED.values(), ids=REMOVED)
def test_redaction_removes_credentials_and_addresses(text: str, cleaned: str) -> None:
    assert HERE.clean(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (3000 in messages).",
        "messages.0.content.1.text: Field required",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "models/gemini-2.0-flash-001, claude-3-5-sonnet-20241022 and meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "accounts/fireworks/models/llama-v3p1-405b-instruct and @cf/meta/llama-3.1-8b-instruct",
        "temperature must be between 0.0 and 2.0, at 12:30:45 … and so on...",
        "response_format.json_schema.schema.properties[3] is not valid: ünïcödé 日本語",
    ],
)
def test_redaction_leaves_an_ordinary_message_as_it_is(text: str) -> None:
    assert HERE.clean(text) == text


def test_redaction_bounds_a_message() -> None:
    assert HERE.clean("ab " * 3000) == ("ab " * 3000)[: MESSAGE_MAX - 1] + "…"


@given(st.text(), st.text(), st.integers(0, len(SECRET) - 8), st.integers(8, 60))
def test_redaction_leaves_no_part_of_the_key_in_any_text(before: str, after: str, at: int, length: int) -> None:
    piece = SECRET[at : at + length]
    cleaned = HERE.clean(before + piece + after)

    assert len(cleaned) <= MESSAGE_MAX
    assert piece not in cleaned
    assert all(one.isprintable() for one in cleaned)


@pytest.mark.parametrize(
    "part", ["a", "a.", ":", "-", "sk-", "bearer ", "1.", "a@", "*", "//", "a_", "a…", "[", "/srv/"]
)
def test_redaction_of_a_hostile_text_is_fast(part: str) -> None:
    began = time.process_time()
    HERE.clean(part * INPUT_MAX)

    assert time.process_time() - began < 0.5, "a pattern of quadratic cost took more than a second"
