"""Limits of the streams in the tests of timeouts and supervisor."""

from unit.support.streams import ACCEPTED, STARTED, feed, make_stream

from penstock_contract.route.limits import LimitsSpec
from penstock_contract.stream.events import TextDelta
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.streaming.stream import Stream

SETTINGS = GatewaySettings(commit_after_s=45, ping_after_s=15, write_timeout_s=30)
LIMITS = LimitsSpec(queue_timeout_seconds=30, request_timeout_seconds=600)


def queued() -> Stream:
    stream = make_stream()
    stream.limits = LIMITS
    return stream


def accepted() -> Stream:
    stream = queued()
    feed(stream, ACCEPTED)
    return stream


def streaming() -> Stream:
    stream = accepted()
    feed(stream, STARTED, TextDelta("a"), from_seq=1)
    return stream
