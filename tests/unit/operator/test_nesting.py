"""JSON of any depth is cut to JSON that Python decodes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_operator.kube.nesting import DEPTH_MAX, bounded

LEAVES = st.none() | st.integers() | st.text() | st.sampled_from(['"', "\\", '\\"', "{[", "]}", '{"a":', "\\\\"])
DOCUMENTS = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=40)


@given(DOCUMENTS)
def test_nesting_returns_a_shallow_document_unchanged(document: object) -> None:
    data = json.dumps(document).encode()
    assert bounded(data) is data


@given(DOCUMENTS, st.integers(DEPTH_MAX + 1, 3_000), st.booleans())
def test_nesting_cuts_a_deep_value_and_keeps_its_siblings(document: object, depth: int, lists: bool) -> None:
    beside = json.dumps(document).encode()
    deep = b"[" * depth + beside + b"]" * depth if lists else b'{"}":' * depth + beside + b"}" * depth
    read = json.loads(bounded(b'{"items":[' + deep + b"," + beside + b'],"last":' + beside + b"}"))
    assert read["items"][1] == document
    assert read["last"] == document
    value, levels = read["items"][0], 2
    while value is not None:
        value, levels = (value[0] if lists else value["}"]), levels + 1
    assert levels == DEPTH_MAX


@pytest.mark.parametrize("depth", [DEPTH_MAX, DEPTH_MAX + 1])
def test_nesting_bound_is_exact(depth: int) -> None:
    data = b"[" * depth + b"]" * depth
    assert (bounded(data) == data) is (depth <= DEPTH_MAX)
