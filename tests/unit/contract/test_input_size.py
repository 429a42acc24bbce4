"""The input of a chat body, counted without a tokenizer."""

import json
from typing import Any

import pytest
from unit.support.chat_bodies import chat, parts, read, refused

from penstock_contract.request.chat_body import read_chat
from penstock_contract.request.input_size import TOKENS_PER_IMAGE


def test_chat_body_counts_all_input() -> None:
    base = read().operation.input_tokens
    long = "a" * 40_000
    for fields in (
        {"tools": [{"type": "function", "function": {"name": "f", "description": long}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"description": long}}}},
        {"metadata": {"a": long}},
        {"prompt_cache_key": long},
        {"unknown": long},
        {"user": long},
        {"messages": [{"role": "user", "content": "hi", "name": long}]},
        {
            "messages": [
                {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": long, "arguments": "{}"}}]}
            ]
        },
        {"messages": [{"role": "user", "content": "hi", "unknown": long}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "unknown": long}]}]},
        {"messages": [{"role": "user", "content": f"data:image/png;base64,{long}"}]},
    ):
        assert chat(**fields).operation.input_tokens >= base + 10_000


def test_chat_body_counts_an_image_as_an_image_and_not_by_its_bytes() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    few = parts(picture).operation.input_tokens
    assert TOKENS_PER_IMAGE < few < TOKENS_PER_IMAGE + 50
    assert parts(picture, picture).operation.input_tokens > 2 * TOKENS_PER_IMAGE


def test_chat_body_counts_files_and_audio_by_their_own_rules() -> None:
    data = "A" * 1_000_000
    pdf = parts({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{data}"}})
    sound = parts({"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}})
    assert 1_000_000 // 32 <= pdf.operation.input_tokens < 1_000_000 // 32 + 100
    assert 1_000_000 // 256 <= sound.operation.input_tokens < 1_000_000 // 256 + 100


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_data": "data:text/plain;base64," + "A" * 40_000}},
        {"type": "file", "file": {"file_data": "A" * 40_000}},
        {"type": "image_url", "image_url": {"url": "data:text/html," + "a" * 40_000}},
        {"type": "video_url", "video_url": {"url": "data:," + "a" * 40_000}},
    ],
)
def test_chat_body_counts_text_in_place_of_a_file_in_full(part: dict[str, Any]) -> None:
    assert parts(part).operation.input_tokens >= 10_000


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "https://a", "URL": "file:///etc/passwd"}}, "image_url.URL"),
        ({"type": "image_url", "image_url": {"url": "https://a"}, "Image_url": {"url": "file:///"}}, "Image_url"),
        ({"type": "x", "Type": "image_url", "IMAGE_URL": {"url": "file:///"}}, "Type"),
        ({"type": "video_url", "video_url": {"Url": "file:///", "url": "https://a"}}, "video_url.Url"),
    ],
)
def test_chat_body_rejects_a_name_that_differs_by_case_from_an_address_field(part: dict[str, Any], param: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": [part]}]}
    assert refused(json.dumps(body).encode())[0] == f"messages[0].content[0].{param}"


def test_chat_body_rejects_a_text_part_with_names_that_differ_by_case() -> None:
    part = {"type": "text", "text": "x", "Type": "image_url", "Image_Url": {"url": "file:///"}}
    body = {"model": "m", "messages": [{"role": "user", "content": [part]}]}
    assert refused(json.dumps(body).encode())[0] == "messages[0].content[0].Type"


def test_chat_body_counts_escapes_as_characters() -> None:
    text = "漢字" * 1000
    escaped = read_chat(json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode())
    plain = read_chat(
        json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}, ensure_ascii=False).encode()
    )
    assert escaped.operation.input_tokens == plain.operation.input_tokens


def test_chat_body_counts_text_that_resembles_escapes_in_full() -> None:
    looks = chat(messages=[{"role": "user", "content": "\\u1234" * 1000}]).operation
    assert looks.input_tokens >= len("\\u1234" * 1000) // 4
    assert chat(messages=[{"role": "user", "content": "\\u" * 10_000}]).operation.input_tokens >= 5_000
