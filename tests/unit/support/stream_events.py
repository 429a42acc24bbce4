"""Events of the streams in unit tests, and the bytes of a failure."""

from unit.support.streams import ACCEPTED, NOW, STARTED, feed

from penstock_contract.route.limits import LimitsSpec
from penstock_contract.stream.events import Finished, TextDelta
from penstock_gateway.streaming.renderers.chat_collector import ChatCollector
from penstock_gateway.streaming.stream import Stream

A, B, C = TextDelta("a"), TextDelta("b"), TextDelta("c")
STOP = Finished("stop")
DONE = b"data: [DONE]\n\n"


def text_bytes(*texts: str) -> bytes:
    return b"".join(b'data: {"text":"%b"}\n\n' % text.encode() for text in texts)


def kept(bytes_max: int | None) -> Stream:
    """A stream with a collector."""
    collector = ChatCollector("id", 0, "m")
    stream = Stream(7, "req_1", "default.main", LimitsSpec(), collector, NOW, answer_bytes_max=bytes_max)
    feed(stream, ACCEPTED, STARTED)
    return stream
