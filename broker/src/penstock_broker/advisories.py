"""JetStream's advisories of deleted streams and consumers: a deleted queue without traffic would go unnoticed.

Advisories may be lost, as all of core NATS: after a reconnect the operator checks every queue again.
"""

import re
from collections.abc import Callable
from typing import Protocol

from penstock_contract import subjects

STREAM_DELETED = "$JS.EVENT.ADVISORY.STREAM.DELETED"
CONSUMER_DELETED = "$JS.EVENT.ADVISORY.CONSUMER.DELETED"
SUBJECTS = (f"{STREAM_DELETED}.*", f"{CONSUMER_DELETED}.*.*")

_CATALOGUE = f"{STREAM_DELETED}.KV_{subjects.CATALOGUE_BUCKET}"
# A DNS label has no `_`, and JetStream puts its names into subjects as they are.
_QUEUE = re.compile(
    rf"{re.escape(STREAM_DELETED)}\.REQUESTS_([^_.]+)_([^_.]+)"
    rf"|{re.escape(CONSUMER_DELETED)}\.REQUESTS_([^_.]+)_([^_.]+)\.{re.escape(subjects.CONSUMER)}"
)


class Listener(Protocol):
    """The part of the connection that is used."""

    def listen(self, subject: str, callback: Callable[[str, bytes], None]) -> None: ...


def listen(
    connection: Listener, *, queue_deleted: Callable[[tuple[str, str]], None], catalogue_deleted: Callable[[], None]
) -> None:
    """Call before `connection.start`. `queue_deleted` gets namespace and route: their queue or its consumer is gone."""

    def on_advisory(subject: str, _data: bytes) -> None:
        if subject == _CATALOGUE:
            catalogue_deleted()
        elif (match := _QUEUE.fullmatch(subject)) is not None:
            namespace, route = (group for group in match.groups() if group is not None)
            queue_deleted((namespace, route))

    for subject in SUBJECTS:
        connection.listen(subject, on_advisory)
