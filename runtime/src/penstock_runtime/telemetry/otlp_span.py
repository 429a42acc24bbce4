"""The bytes of one span in OTLP's protobuf encoding, joined from those of its fields.

https://protobuf.dev/programming-guides/encoding: a message is the concatenation of its fields, each a tag (number and
wire type) and a value. The numbers of the fields are those of OpenTelemetry's generated classes.
"""

from collections.abc import Hashable
from functools import lru_cache
from struct import Struct
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags, Status
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
ATTRIBUTES_KEPT: Final = 1024
"""About 200 bytes each. Most repeat: queue, route, model, status."""
SEVEN_BITS: Final = 0x7F
MORE: Final = 0x80
UNSIGNED: Final = 2**64 - 1
DOUBLE: Final = Struct("<d")


def varint(number: int) -> bytes:
    """Seven bits in each byte, the lowest first; negative numbers as 64 bits of two's complement."""
    number &= UNSIGNED
    if number <= SEVEN_BITS:
        return bytes((number,))
    octets = bytearray()
    while number > SEVEN_BITS:
        octets.append(number & SEVEN_BITS | MORE)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def tag(field: int, wire_type: int) -> bytes:
    return varint(field << 3 | wire_type)


def delimited(tag_: bytes, content: bytes) -> bytes:
    """A field of bytes, text or a message, of which `content` are the bytes."""
    length = len(content)
    return tag_ + (bytes((length,)) if length <= SEVEN_BITS else varint(length)) + content


TRACE_ID: Final = tag(Span.TRACE_ID_FIELD_NUMBER, LENGTH)
SPAN_ID: Final = tag(Span.SPAN_ID_FIELD_NUMBER, LENGTH)
TRACE_STATE: Final = tag(Span.TRACE_STATE_FIELD_NUMBER, LENGTH)
PARENT_SPAN_ID: Final = tag(Span.PARENT_SPAN_ID_FIELD_NUMBER, LENGTH)
NAME: Final = tag(Span.NAME_FIELD_NUMBER, LENGTH)
ATTRIBUTES: Final = tag(Span.ATTRIBUTES_FIELD_NUMBER, LENGTH)
TIMES: Final = Struct("<cQcQ")
START: Final = tag(Span.START_TIME_UNIX_NANO_FIELD_NUMBER, FIXED64)
END: Final = tag(Span.END_TIME_UNIX_NANO_FIELD_NUMBER, FIXED64)
KINDS: Final = {
    kind: tag(Span.KIND_FIELD_NUMBER, VARINT) + varint(Span.SpanKind.Value(f"SPAN_KIND_{kind.name}"))
    for kind in SpanKind
}
STATUSES: Final = {
    code: delimited(tag(Span.STATUS_FIELD_NUMBER, LENGTH), Status(code=code.value).SerializeToString())  # type: ignore[arg-type]  # the same numbers
    for code in StatusCode
}
LOCAL_PARENT, REMOTE_PARENT = (
    tag(Span.FLAGS_FIELD_NUMBER, FIXED32) + flags.to_bytes(4, "little")
    for flags in (
        SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK,
        SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK,
    )
)

KEY: Final = tag(KeyValue.KEY_FIELD_NUMBER, LENGTH)
VALUE: Final = tag(KeyValue.VALUE_FIELD_NUMBER, LENGTH)
TEXT: Final = tag(AnyValue.STRING_VALUE_FIELD_NUMBER, LENGTH)
BOOL: Final = tag(AnyValue.BOOL_VALUE_FIELD_NUMBER, VARINT)
INT: Final = tag(AnyValue.INT_VALUE_FIELD_NUMBER, VARINT)
FLOAT: Final = tag(AnyValue.DOUBLE_VALUE_FIELD_NUMBER, FIXED64)
ARRAY: Final = tag(AnyValue.ARRAY_VALUE_FIELD_NUMBER, LENGTH)
ITEM: Final = tag(ArrayValue.VALUES_FIELD_NUMBER, LENGTH)


def encode_span(span: ReadableSpan) -> bytes:
    """Return an `opentelemetry.proto.trace.v1.Span`, without events and links, which spans of this project lack."""
    context, parent = span.context, span.parent
    assert context is not None
    parts = [
        delimited(TRACE_ID, context.trace_id.to_bytes(16)),
        delimited(SPAN_ID, context.span_id.to_bytes(8)),
        delimited(NAME, _utf8(span.name)),
        KINDS[span.kind],
        TIMES.pack(START, span.start_time or 0, END, span.end_time or 0),
        STATUSES[span.status.status_code],
        REMOTE_PARENT if parent is not None and parent.is_remote else LOCAL_PARENT,
    ]
    if parent is not None:
        parts.append(delimited(PARENT_SPAN_ID, parent.span_id.to_bytes(8)))
    if context.trace_state:
        parts.append(delimited(TRACE_STATE, _utf8(context.trace_state.to_header())))
    for key, value in (span.attributes or {}).items():
        parts.append(_attribute(key, tuple(value) if isinstance(value, list) else value))
    return b"".join(parts)


@lru_cache(ATTRIBUTES_KEPT, typed=True)
def _attribute(key: str, value: Hashable) -> bytes:
    return delimited(ATTRIBUTES, delimited(KEY, _utf8(key)) + delimited(VALUE, _value(value)))


def _value(value: Hashable) -> bytes:
    match value:
        case str():
            return delimited(TEXT, _utf8(value))
        case bool():
            return BOOL + varint(value)
        case int():
            return INT + varint(value)
        case float():
            return FLOAT + DOUBLE.pack(value)
        case tuple():
            return delimited(ARRAY, b"".join([delimited(ITEM, _value(item)) for item in value]))
        case _:
            raise TypeError(f"an attribute of a span is a {type(value).__name__}")


def _utf8(text: str) -> bytes:
    """A lone surrogate, which a client can send in a name, must not cost the spans of the batch."""
    return text.encode(errors="replace")
