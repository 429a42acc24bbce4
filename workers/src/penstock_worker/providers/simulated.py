"""A provider that generates deterministic text at a configured rate; for tests and benchmarks, never a default.

Otherwise it behaves like any provider: it is called, times out, fails and is aborted.
"""

import asyncio

import msgspec
from msgspec import Struct

from penstock_contract.codec import UNREADABLE
from penstock_contract.errors import PenstockError
from penstock_contract.request.messages import Role
from penstock_contract.request.operations import Generation, Operation
from penstock_contract.route.provider import SimulatedSpec
from penstock_contract.stream.events import Finished, TextDelta, UsageReported
from penstock_worker.awaited_sockets import NONE
from penstock_worker.providers.failure.provider_failure import failure
from penstock_worker.providers.provider import AnswerForm, CallListener

WORDS = ("water", "runs", "down", "the", "penstock", "and", "turns", "a", "wheel", "below")


def token(index: int) -> str:
    """Token number `index`: no two neighbours are equal, as some gateways cut streams that repeat."""
    return f"{WORDS[index % len(WORDS)]}-{index} "


class SimulatedProvider:
    provider_name = "simulated"

    def __init__(self, spec: SimulatedSpec) -> None:
        self._spec = spec

    async def open(
        self,
        operation: Operation,
        model: str,
        listener: CallListener,
        *,
        connect_timeout_s: float,
        headers: dict[str, str],
        form: AnswerForm = "stream",
    ) -> "SimulatedCall":
        del model, connect_timeout_s, headers, form
        if not isinstance(operation, Generation):
            raise PenstockError("unsupported_by_provider", "the simulated provider only generates text")
        request = _read(operation)
        limit = int(request.max_completion_tokens or request.max_tokens or self._spec.tokens)
        if limit < 0:
            limit = self._spec.tokens
        return SimulatedCall(self._spec, listener, words=_words(request), limit=min(limit, self._spec.tokens))

    def close(self) -> None:
        """Nothing to close."""


class SimulatedCall:
    """Tokens are due at fixed times from the start, so that a late one does not delay the rest."""

    descriptor = NONE

    def __init__(self, spec: SimulatedSpec, listener: CallListener, *, words: int, limit: int) -> None:
        self._spec = spec
        self._listener = listener
        self._words = words
        self._limit = limit
        self._sent = 0
        self._loop = asyncio.get_running_loop()
        self.active_at = self._loop.time()
        self._start = self.active_at + spec.first_token_seconds
        self._timer: asyncio.TimerHandle | None = self._loop.call_at(self._start, self._tick)

    def abort(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        self.active_at = self._loop.time()
        if self._sent == self._spec.stall_at_token:
            return
        if self._sent == self._spec.error_at_token:
            self._listener.on_failure(failure("provider_unavailable"))
            return
        self._listener.on_events([TextDelta(token(self._sent))])
        self._sent += 1
        if self._sent >= self._limit:
            reason = Finished("length" if self._limit < self._spec.tokens else "stop")
            self._listener.on_events([UsageReported(self._words, self._sent), reason])
            self._listener.on_end()
            return
        self._timer = self._loop.call_at(self._start + self._sent / self._spec.tokens_per_second, self._tick)


class _Part(Struct):
    text: str | None = None


class _Message(Struct):
    role: Role
    content: str | list[_Part] | None = None


class _Request(Struct):
    messages: list[_Message]
    max_tokens: float | None = None
    max_completion_tokens: float | None = None


_decode = msgspec.json.Decoder(_Request).decode


def _read(operation: Generation) -> _Request:
    try:
        return _decode(operation.body)
    except UNREADABLE:
        raise PenstockError("invalid_request", "the request's body could not be read") from None


def _words(request: _Request) -> int:
    texts: list[str] = []
    for message in request.messages:
        if isinstance(message.content, str):
            texts.append(message.content)
        else:
            texts += [part.text for part in message.content or [] if part.text is not None]
    return sum(len(text.split()) for text in texts)
