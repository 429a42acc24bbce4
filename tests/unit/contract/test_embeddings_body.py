"""A client's embeddings body: four forms of input, counted without decoding the numbers."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.support.operations import embeddings
from unit.support.structs import JSON

from penstock_contract.errors import PenstockError
from penstock_contract.request.embeddings_body import read_embeddings
from penstock_contract.request.operations import INPUTS_MAX


@pytest.mark.parametrize(
    ("given_", "count"),
    [("a", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2), ([[1]], 1)],
    ids=["one text", "texts", "one text as tokens", "texts as tokens", "a list of one"],
)
def test_embeddings_body_accepts_four_forms_of_input(given_: Any, count: int) -> None:
    assert embeddings(given_).count == count
    assert read_embeddings(json.dumps({"model": "m", "input": given_}, indent=2).encode()).operation.count == count


@pytest.mark.parametrize(
    "given_",
    [
        ["a", 1],
        [1, "a"],
        ["a", [1]],
        [[1], "a"],
        [1, [2]],
        [[1], 2],
        [[[1]]],
        [[1], [[2]]],
        [],
        [[]],
        [[1], []],
        "",
        [""],
        [-1],
        [1.0],
        [1e30],
        [18446744073709551616],
        [[18446744073709551616]],
        {},
        None,
        5,
        [None],
        [True],
    ],
)
def test_embeddings_body_rejects_other_forms_by_field(given_: Any) -> None:
    with pytest.raises(PenstockError) as refused:
        embeddings(given_)

    assert refused.value.code == "invalid_request"
    assert (refused.value.detail.param or "").startswith("input")


def test_embeddings_body_bounds_the_number_of_texts_and_not_of_one_texts_tokens() -> None:
    assert embeddings(list(range(INPUTS_MAX + 1))).count == 1
    for many in (["a"] * (INPUTS_MAX + 1), [[1]] * (INPUTS_MAX + 1)):
        with pytest.raises(PenstockError):
            embeddings(many)


def test_embeddings_body_counts_tokens_by_number_and_texts_by_bytes() -> None:
    base = embeddings([1]).input_tokens
    assert embeddings([123456] * 1001).input_tokens == base + 1000
    assert embeddings([[123456] * 10] * 100).input_tokens == base + 999
    assert embeddings("four" * 1000).input_tokens - embeddings("four").input_tokens == 999


def test_embeddings_body_keeps_and_counts_unknown_fields() -> None:
    made = embeddings([1, 2], input_type="query", truncate="END", extra="a" * 4000)
    assert json.loads(made.body)["input_type"] == "query"
    assert made.input_tokens > 1000


@pytest.mark.parametrize("fields", [{"dimensions": 0}, {"dimensions": 1.5}, {"encoding_format": "hex"}, {"user": 5}])
def test_embeddings_body_error_names_the_invalid_field(fields: dict[str, Any]) -> None:
    with pytest.raises(PenstockError) as refused:
        embeddings("a", **fields)
    assert refused.value.detail.param == next(iter(fields))


@given(name=st.sampled_from(["input", "dimensions", "encoding_format", "user", "model", "x"]), value=JSON)
def test_embeddings_body_field_of_any_json_is_kept_or_rejected(name: str, value: Any) -> None:
    body = json.dumps({"model": "m", "input": "a", name: value}).encode()
    code = "invalid_request"
    with contextlib.suppress(PenstockError):
        try:
            assert read_embeddings(body).operation.body == body
        except PenstockError as error:
            code = error.code
            raise
    assert code == "invalid_request"
