"""The API server's audit log, as writes that a test can count by user, verb and object."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "Metadata"},
    ],
}
"""Writes only, by any user; never a body."""


class Write(Struct, frozen=True):
    """One request that wrote, or tried to: `code` is the answer's."""

    user: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int


class AuditLog:
    def __init__(self, path: Path) -> None:
        self._path = path

    def mark(self) -> int:
        """Where the log ends now, for `writes(since=…)`. The API server has written a line before it answers."""
        return self._path.stat().st_size

    def writes(self, *, user: str | None = None, since: int = 0) -> list[Write]:
        """In order, all or those of one user (a ServiceAccount is `system:serviceaccount:<namespace>:<name>`)."""
        return [write for write in self._read(since) if user is None or write.user == user]

    def _read(self, since: int) -> Iterator[Write]:
        with self._path.open("rb") as log:
            log.seek(since)
            for line in log:
                if not line.endswith(b"\n"):
                    return  # being written
                event = msgspec.json.decode(line, type=_Event)
                of, logged = event.object, event.response
                yield Write(
                    user=event.user.username,
                    verb=event.verb,
                    resource=of.resource,
                    subresource=of.subresource,
                    namespace=of.namespace,
                    name=of.name,
                    code=logged.code,
                )


class _User(Struct):
    username: str


class _Object(Struct):
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class _Response(Struct):
    code: int = 0


class _Event(Struct, rename={"object": "objectRef", "response": "responseStatus"}):
    verb: str
    user: _User
    object: _Object = msgspec.field(default_factory=_Object)
    response: _Response = msgspec.field(default_factory=_Response)
