"""Parses embeddings of the OpenAI dialect, one body as a whole, into events."""

import base64
import binascii
import math
import sys
from array import array
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from penstock_contract.codec import UNREADABLE
from penstock_contract.stream.events import Embedded, Event, Finished
from penstock_worker.providers.answer import lenient
from penstock_worker.providers.answer.token_counts import TokenCounts
from penstock_worker.providers.failure.provider_failure import failure, failure_of_error
from penstock_worker.providers.openai.chunk import error_of

EMBEDDINGS_BYTES_MAX = 64 * 1024 * 1024


class _Embedding(Struct, gc=False):
    index: Annotated[int, Meta(ge=0, le=lenient.COUNT_MAX)]
    embedding: list[float]


class _Embeddings(Struct):
    data: list[_Embedding]
    usage: dict[str, Any] | None = None
    error: None = None


_decode = msgspec.json.Decoder(_Embeddings).decode


class EmbeddingsParser:
    __slots__ = ("_body", "complete", "progress")

    def __init__(self) -> None:
        self._body = bytearray()
        self.complete = False
        self.progress = 0

    def feed(self, data: bytes) -> Sequence[Event]:
        self._body += data
        if len(self._body) > EMBEDDINGS_BYTES_MAX:
            raise failure("provider_stream_broken")
        return ()

    def piece_of_chunk(self, data: bytes) -> Event | None:  # noqa: ARG002
        return None

    def end(self) -> Sequence[Event]:
        try:
            answer = _decode(self._body)
            if len({item.index for item in answer.data}) < len(answer.data):
                raise msgspec.ValidationError("an index came twice")
            events: list[Event] = [Embedded(item.index, _floats(item.embedding)) for item in answer.data]
            usage: object = answer.usage
        except UNREADABLE:
            events, usage = self._leniently()
        if not events:
            raise failure("provider_stream_broken")
        self.complete = True
        counts = TokenCounts()
        counts.read(usage)
        reported = counts.reported(0, 0)
        return [*events, *([] if reported is None else [reported]), Finished("stop")]

    def _leniently(self) -> tuple[list[Event], object]:
        try:
            [answer] = lenient.values(bytes(self._body))
        except (ValueError, RecursionError) as error:
            raise failure("provider_stream_broken") from error
        fields = lenient.mapping(answer)
        if "data" not in fields and (reported := error_of(fields)) is not None:
            raise failure_of_error(reported)
        if lenient.meant(fields.get("error")):
            raise failure_of_error(fields["error"])
        items = lenient.objects(fields.get("data") if "data" in fields else answer)
        places = [lenient.count(item.get("index")) for item in items]
        if None in places or len(set(places)) < len(places):
            # Without numbers the order is what is left.
            places = list(range(len(items)))
        vectors: list[Event] = [
            Embedded(place, _vector(item.get("embedding")))
            for place, item in zip(places, items, strict=True)
            if place is not None
        ]
        return vectors, fields.get("usage")


def _vector(embedding: object) -> bytes:
    """Little-endian float32 of a list of numbers, or of base64 that was not requested."""
    if isinstance(embedding, str):
        try:
            vector = base64.b64decode(embedding, validate=True)
        except (binascii.Error, ValueError) as error:
            raise failure("provider_stream_broken") from error
        if not vector or len(vector) % 4:
            raise failure("provider_stream_broken")
        numbers = array("f", vector)
        if sys.byteorder == "big":
            numbers.byteswap()
        return _finite(numbers).tobytes()
    if isinstance(embedding, dict):
        embedding = embedding.get("float", embedding.get("values"))
    if not isinstance(embedding, list) or not embedding:
        raise failure("provider_stream_broken")
    if isinstance(embedding[0], list) and len(embedding) == 1:
        embedding = embedding[0]
    return _floats([_coordinate(number) for number in embedding])


def _coordinate(number: object) -> float:
    """A value that is not a number breaks the answer: a vector with a gap is another vector."""
    try:
        return float(number)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise failure("provider_stream_broken") from error


def _floats(numbers: list[float]) -> bytes:
    try:
        vector = array("f", numbers)
    except OverflowError as error:
        raise failure("provider_stream_broken") from error
    return _finite(vector).tobytes()


def _finite(vector: "array[float]") -> "array[float]":
    """A number beyond float32 would reach the client as null."""
    if not all(map(math.isfinite, vector)):
        raise failure("provider_stream_broken")
    if sys.byteorder == "big":
        vector.byteswap()
    return vector
