"""Parses the answer of `/messages/count_tokens`: one JSON object with the number of input tokens."""

from collections.abc import Sequence
from typing import Final

from penstock_contract.codec import UNREADABLE
from penstock_contract.stream.events import AnswerFields, Event, Finished
from penstock_worker.providers.answer import lenient
from penstock_worker.providers.failure.provider_failure import failure, failure_of_error

BODY_BYTES_MAX: Final = 64 * 1024


class CountParser:
    def __init__(self) -> None:
        self._body = b""
        self.complete = False
        self.progress = 0

    def feed(self, data: bytes) -> Sequence[Event]:
        self._body += data
        self.progress += 1
        if len(self._body) > BODY_BYTES_MAX:
            raise failure("provider_stream_broken")
        return ()

    def piece_of_chunk(self, data: bytes) -> Event | None:  # noqa: ARG002
        return None

    def end(self) -> Sequence[Event]:
        try:
            answer = lenient.mapping(next(lenient.values(self._body), None))
        except (*UNREADABLE, ValueError) as error:
            raise failure("provider_stream_broken") from error
        if lenient.meant(answer.get("error")):
            raise failure_of_error(answer["error"])
        count = lenient.count(answer.get("input_tokens"))
        if count is None:
            raise failure("provider_stream_broken")
        self.complete = True
        return [AnswerFields("answer", b'{"input_tokens":%d}' % count), Finished("stop")]
