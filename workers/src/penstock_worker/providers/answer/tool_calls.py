"""Assigns the pieces of tool calls to calls, and completes the calls for a client.

Servers disagree on `index`, `id` and `name`: each may be missing, repeated with every piece, or the same for several
calls. A client gets calls with an index that is dense from 0, an id, and arguments that are a JSON text.
"""

import json
from hashlib import blake2b

from penstock_contract.stream.events import ToolCallDelta


class _Call:
    __slots__ = ("arguments", "given_id", "id", "name")

    def __init__(self, id_: str, name: str, given_id: str) -> None:
        self.id = id_
        self.given_id = given_id
        self.name = name
        self.arguments: list[str] = []


class ToolCalls:
    """The calls of one answer; `seed` makes the ids of calls that came without one (any bytes of the answer)."""

    __slots__ = ("_by_index", "_calls", "seed")

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, int] = {}
        self.seed = b""

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def nameless(self) -> bool:
        """True if a call is incomplete, so that no client can make it."""
        return not all(call.name for call in self._calls)

    def piece(
        self,
        index: int | None,
        id_: str,
        name: str,
        arguments: str,
        extra: bytes = b"",
        *,
        beside: set[int] | None = None,
    ) -> ToolCallDelta:
        """`beside` are the calls that had a piece in the same delta; this one is added."""
        known = self._place_of(index, id_, name, beside if beside is not None else set())
        new = known is None
        place = len(self._calls) if known is None else known
        if new:
            self._calls.append(_Call(id_ or self._made_id(place), name, id_))
        if index is not None:
            self._by_index[index] = place
        if beside is not None:
            beside.add(place)
        call = self._calls[place]
        call.given_id = call.given_id or id_
        named = name if name and (new or not call.name) else None
        call.name = call.name or name
        if arguments:
            call.arguments.append(arguments)
        return ToolCallDelta(place, call.id if new else None, named, arguments, extra)

    def ends(self) -> list[ToolCallDelta]:
        """Deltas that make the arguments of each call a JSON text: OpenAI's `{}` for a call without arguments."""
        missing = [place for place, call in enumerate(self._calls) if not "".join(call.arguments).strip()]
        for place in missing:
            self._calls[place].arguments.append("{}")
        return [ToolCallDelta(place, None, None, "{}") for place in missing]

    def _place_of(self, index: int | None, id_: str, name: str, beside: set[int]) -> int | None:
        """The call that a piece continues; None for a new call."""
        if id_:
            for known, call in enumerate(self._calls):
                if call.given_id == id_:
                    return known
        place = len(self._calls) - 1 if index is None else self._by_index.get(index)
        if place is None or place < 0:
            nameless = not (id_ or name) and self._calls and not _is_json("".join(self._calls[-1].arguments))
            return len(self._calls) - 1 if nameless else None
        call = self._calls[place]
        if id_:
            # A known index with an id that is not its call's: a new call, as one call has one id. The id of a call
            # that came without is in the pieces after the first, which repeat neither name nor arguments.
            return None if call.given_id or (name and (call.arguments or place in beside)) else place
        if not name or not call.name:
            return place
        again = name == call.name and place not in beside and not _is_json("".join(call.arguments))
        return place if again else None

    def _made_id(self, place: int) -> str:
        return "call_" + blake2b(self.seed + str(place).encode(), digest_size=12).hexdigest()


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
