"""Lenient readers of values of any type."""

from typing import Any

import pytest

from penstock_worker.providers.answer import lenient

COUNTS: list[tuple[Any, int | None]] = [
    (7, 7),
    (0, 0),
    (7.0, 7),
    (15.6, 16),
    ("12", 12),
    ("12.0", 12),
    (" 12 ", 12),
    (2**53, 2**53),
    (2**53 + 1, None),
    (2**70, None),
    (10**400, None),
    (1e308, None),
    (float("inf"), None),
    (float("nan"), None),
    ("1e999", None),
    ("many", None),
    ("", None),
    (-1, None),
    (True, None),
    (None, None),
    ([], None),
    ({}, None),
]


@pytest.mark.parametrize(("value", "number"), COUNTS, ids=lambda value: str(value)[:20])
def test_lenient_count_is_an_integer_within_bounds_or_none(value: Any, number: int | None) -> None:
    assert lenient.count(value) == number


@pytest.mark.parametrize(
    ("value", "words"), [("a", "a"), (7, "7"), (7.0, "7"), (1.5, "1.5"), (True, ""), (None, ""), ([], ""), ({}, "")]
)
def test_lenient_text_reads_texts_and_numbers(value: Any, words: str) -> None:
    assert lenient.text(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{}", "{}"),
        (None, ""),
        ({"a": [1, "é"]}, '{"a":[1,"é"]}'),
        ([], "[]"),
        (7, "7"),
        ({"a": "\ud83d"}, '{"a":"\ufffd"}'),
    ],
)
def test_lenient_json_text_encodes_a_value_other_than_text(value: Any, words: str) -> None:
    assert lenient.json_text(value) == words


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'\xef\xbb\xbf {"a": 1}\r\n', [{"a": 1}]),
        (b'{"a":1}\n{"b":2}', [{"a": 1}, {"b": 2}]),
        (b'{"a":NaN,"b":Infinity,"c":1e999}', [{"a": None, "b": None, "c": None}]),
        (b'"\\ud83d"', ["\ud83d"]),
        (b"", []),
    ],
)
def test_lenient_values_reads_json_that_strict_readers_refuse(data: bytes, found: list[Any]) -> None:
    assert list(lenient.values(data)) == found


def test_lenient_values_reads_an_integer_of_any_length() -> None:
    [value] = lenient.values(b'{"a":' + b"9" * 5_000 + b',"b":' + b"9" * 100 + b"}")

    assert value == {"a": None, "b": int("9" * 100)}


@pytest.mark.parametrize("data", [b"{", b"\xff", b"nonsense"])
def test_lenient_values_refuses_invalid_json(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any kind of it
        list(lenient.values(data))


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, [None], {"a": None, "b": [""]}])
def test_lenient_meant_is_false_for_a_value_without_content(value: Any) -> None:
    assert not lenient.meant(value)


@pytest.mark.parametrize("value", [True, 1, "x", [0, "x"], {"a": {"b": 1}}])
def test_lenient_meant_is_true_for_a_value_with_content(value: Any) -> None:
    assert lenient.meant(value)


def test_lenient_halves_join_characters_per_kind_of_text() -> None:
    halves = lenient.Halves()

    assert halves.join("text", "a\ud83d") == "a"
    assert halves.join("reasoning", "\ud83e") == ""
    assert halves.join("text", "") == ""
    assert halves.join("text", "\ude00b") == "😀b"
    assert halves.join("reasoning", "x") == "\ufffdx"
    assert not halves
    assert halves.join("text", "\ud83d") == ""
    assert halves.left() == ["text"]
    assert halves.left() == []
