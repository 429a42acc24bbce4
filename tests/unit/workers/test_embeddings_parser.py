"""Embeddings of OpenAI and compatible servers, and their events."""

import json
from array import array
from base64 import b64encode
from typing import Any

import pytest
from unit.support.parsing import assert_parsed_however_cut, parse

from penstock_contract.errors import PenstockError
from penstock_contract.stream.events import Embedded, Event, Finished, UsageReported
from penstock_worker.providers.openai.embeddings_parser import EmbeddingsParser

STOPPED = Finished("stop")


def vectors(*items: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"object": "list", "data": list(items), "model": "m", **fields}).encode()


def test_embeddings_parser_reads_embeddings_in_any_order() -> None:
    body = vectors(
        {"object": "embedding", "index": 1, "embedding": [0.5, -2]},
        {"object": "embedding", "index": 0, "embedding": [1, 0.25]},
        usage={"prompt_tokens": 3, "total_tokens": 3},
    )

    assert parse(EmbeddingsParser(), body) == (
        [
            Embedded(1, array("f", [0.5, -2]).tobytes()),
            Embedded(0, array("f", [1, 0.25]).tobytes()),
            UsageReported(3, 0),
            STOPPED,
        ],
        None,
    )


def test_embeddings_parser_reads_embeddings_cut_anywhere() -> None:
    body = vectors({"index": 0, "embedding": [1, 2]})

    assert_parsed_however_cut(EmbeddingsParser, body, parse(EmbeddingsParser(), body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        vectors({"index": 0, "embedding": [1]})[:-1],
        b"\xff",
        b"[" * 100_000,
        vectors({"index": 0, "embedding": "AAA"}),
        vectors({"index": 0, "embedding": [0.5, None]}),
        vectors({"index": 0, "embedding": [0.5, {}]}),
        vectors({"index": 0}),
        vectors(),
        b"{}",
    ],
    ids=lambda body: body[:80].decode("latin-1"),
)
def test_embeddings_parser_reports_unreadable_embeddings_as_broken(body: bytes) -> None:
    assert parse(EmbeddingsParser(), body) == ([], "provider_stream_broken")


def test_embeddings_parser_refuses_embeddings_beyond_the_bound_early() -> None:
    parser = EmbeddingsParser()
    for _ in range(64):
        parser.feed(b" " * 1024 * 1024)

    with pytest.raises(PenstockError):
        parser.feed(b" ")


def body(*items: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"object": "list", "data": list(items), **fields}).encode()


VECTOR = array("f", [1, 0.25]).tobytes()
VECTORS: dict[str, tuple[bytes, list[Event]]] = {
    # spring-projects/spring-ai #7026, tensorzero/tensorzero #4617.
    "without usage": (body({"index": 0, "embedding": [1, 0.25]}), [Embedded(0, VECTOR), STOPPED]),
    "with null usage": (
        body({"index": 0, "embedding": [1, 0.25]}, usage=None),
        [Embedded(0, VECTOR), STOPPED],
    ),
    "with a usage of 0": (
        body({"index": 0, "embedding": [1, 0.25]}, usage={"prompt_tokens": 0}),
        [Embedded(0, VECTOR), STOPPED],
    ),
    "with usage in floats": (
        body({"index": 0, "embedding": [1, 0.25]}, usage={"prompt_tokens": 3.0}),
        [Embedded(0, VECTOR), UsageReported(3, 0), STOPPED],
    ),
    "without index": (
        body({"embedding": [1, 0.25]}, {"embedding": [1, 0.25]}),
        [Embedded(0, VECTOR), Embedded(1, VECTOR), STOPPED],
    ),
    "all with index 0": (
        body({"index": 0, "embedding": [1, 0.25]}, {"index": 0, "embedding": [1, 0.25]}),
        [Embedded(0, VECTOR), Embedded(1, VECTOR), STOPPED],
    ),
    "as base64 without a request for it": (
        body({"index": 0, "embedding": b64encode(VECTOR).decode()}),
        [Embedded(0, VECTOR), STOPPED],
    ),
    "numbers as text": (body({"index": "0", "embedding": ["1", "0.25"]}), [Embedded(0, VECTOR), STOPPED]),
    "as a bare list": (json.dumps([{"embedding": [1, 0.25]}]).encode(), [Embedded(0, VECTOR), STOPPED]),
}


@pytest.mark.parametrize(("answer", "events"), VECTORS.values(), ids=VECTORS)
def test_embeddings_parser_reads_a_good_answer_whatever_is_beside_the_vectors(
    answer: bytes, events: list[Event]
) -> None:
    assert parse(EmbeddingsParser(), answer) == (events, None)


def test_embeddings_parser_reads_an_error_inside_a_200() -> None:
    assert parse(EmbeddingsParser(), b'{"error":{"code":"insufficient_quota"}}') == ([], "provider_quota_exhausted")
