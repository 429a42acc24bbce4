"""A client that cuts its connection at random bytes and reads its stream on at any gateway."""

import random
from collections.abc import Sequence
from typing import Any

import httpx
from harness.stream_requests import StreamRequest, ends

END = b"\n\n"
GIVEN_UP = 60


class CutReader:
    """One stream of `clients`, each a gateway; it begins at the first. The list may change.

    `read` holds the whole events, as one undisturbed client would have them. Comments are left out: they are no events.
    `lost` counts requests whose gateway was killed before their id was known.
    """

    def __init__(self, clients: Sequence[httpx.AsyncClient], cuts: int, dice: random.Random) -> None:
        self._clients = clients
        self._cuts = cuts
        self._dice = dice
        self.id = ""
        self.read = b""
        self.count = 0
        self.cut = 0
        self.lost = 0

    async def run(self, request: StreamRequest, headers: dict[str, str]) -> None:
        """Begin the stream at the first gateway, and read it to its end."""
        self.request = request
        whole = False
        while not self.id:
            try:
                whole = await self._part(self._clients[0], "POST", request.path, json=request.body, headers=headers)
            except httpx.TransportError:
                # The gateway was killed before it sent the id: nothing can be read on.
                self.lost += 1
                assert self.lost < GIVEN_UP, "no gateway takes the request"
        failed = 0
        while not whole:
            client = self._dice.choice(self._clients)
            try:
                whole = await self._part(client, "GET", f"/v1/streams/{self.id}", headers=self._after())
            except httpx.TransportError:
                failed += 1
                assert failed < GIVEN_UP, "no gateway takes the stream"

    def _after(self) -> dict[str, str]:
        return {"last-event-id": str(self.count)} if self.count else {}

    async def _part(self, client: httpx.AsyncClient, method: str, path: str, **request: Any) -> bool:
        """Read until a random byte, or to the end; True at the end of the stream."""
        bytes_max = self._dice.randrange(4000) if self.cut < self._cuts else None
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
