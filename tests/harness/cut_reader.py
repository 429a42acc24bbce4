"""A client that cuts its connection at random bytes and reads its stream on at another gateway."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from harness.stream_requests import StreamRequest, ends

END = b"\n\n"
GIVEN_UP = 60
FIRST_CUT_MAX = 1200
"""Shorter than a whole stream of each dialect: each is cut at least once."""
LATER_CUT_MAX = 4000


class CutReader:
    """One stream of `clients`, each a gateway; it begins at any. The list may change.

    `read` holds the whole events, as one undisturbed client would have them. Comments are left out: they are no events.
    `lost` counts requests whose gateway was killed before their id was known; each is sent with a `numbered` body of
    its own. `again` counts the readings at another gateway than the one before.
    """

    def __init__(
        self,
        clients: Sequence[httpx.AsyncClient],
        cuts: int,
        dice: random.Random,
        numbered: Callable[[StreamRequest], tuple[int, StreamRequest]],
    ) -> None:
        self._clients = clients
        self._numbered = numbered
        self._last: httpx.AsyncClient | None = None
        self._cuts = cuts
        self._dice = dice
        self.id = ""
        self.read = b""
        self.count = 0
        self.cut = 0
        self.lost = 0
        self.again = 0
        self.number = -1
        self.identical = False

    async def run(self, request: StreamRequest, headers: dict[str, str]) -> None:
        """Begin the stream at one gateway, and read it to its end at others."""
        self.request = request
        whole = False
        while not self.id:
            self.number, sent = self._numbered(request)
            try:
                whole = await self._part(self._next(), "POST", sent.path, json=sent.body, headers=headers)
            except httpx.TransportError:
                # The gateway was killed before it sent the id: nothing can be read on.
                self.lost += 1
                assert self.lost < GIVEN_UP, "no gateway takes the request"
        failed = 0
        while not whole:
            before = self._last
            try:
                whole = await self._part(self._next(), "GET", f"/v1/streams/{self.id}", headers=self._after())
                self.again += self._last is not before
            except httpx.TransportError:
                failed += 1
                assert failed < GIVEN_UP, "no gateway takes the stream"

    def _next(self) -> httpx.AsyncClient:
        """A gateway, another one than the last if there is one."""
        others = [client for client in self._clients if client is not self._last]
        self._last = self._dice.choice(others or list(self._clients))
        return self._last

    def _after(self) -> dict[str, str]:
        return {"last-event-id": str(self.count)} if self.count else {}

    async def _part(self, client: httpx.AsyncClient, method: str, path: str, **request: Any) -> bool:
        """Read until a random byte, or to the end; True at the end of the stream."""
        at_most = LATER_CUT_MAX if self.cut else FIRST_CUT_MAX
        bytes_max = self._dice.randrange(at_most) if self.cut < self._cuts else None
        part = b""
        async with client.stream(method, path, **request) as response:
            if response.status_code != 200:
                raise AssertionError(f"{response.status_code} {await response.aread()!r}")
            self.id = self.id or response.headers["x-request-id"]
            try:
                async for data in response.aiter_raw():
                    part += data
                    if bytes_max is not None and len(part) >= bytes_max:
                        part = part[:bytes_max]
                        break
                else:
                    bytes_max = None
            except httpx.TransportError:
                # The gateway was killed: the same as a cut.
                bytes_max = len(part)
        *events, _incomplete = part.split(END)
        for event in events:
            if not event.startswith(b":"):
                self.read += event + END
                self.count += 1
        if bytes_max is not None:
            self.cut += 1
        return bytes_max is None or ends(self.request, self.read)
