"""Options of the rendering of a message, beside its events, as another gateway needs it to render it again."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Self

from msgspec import Struct

DIGEST_BYTES = 8


class MessageOptions(Struct, frozen=True):
    """`input_tokens` is the gateway's estimate; `with_thinking`: the client requested thinking, and is sent it.

    `stops` are digests of the client's stop sequences, because a stream's descriptor contains no text of a request.
    """

    input_tokens: int = 0
    with_thinking: bool = True
    stops: frozenset[str] = frozenset()

    @classmethod
    def of(cls, input_tokens: int, stops: Iterable[str], *, with_thinking: bool) -> Self:
        return cls(input_tokens, with_thinking, frozenset(map(_digest, stops)))

    def has_stop(self, text: object) -> bool:
        """Return whether a text is one of the client's stop sequences."""
        return isinstance(text, str) and bool(self.stops) and _digest(text) in self.stops


NO_OPTIONS = MessageOptions()


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
