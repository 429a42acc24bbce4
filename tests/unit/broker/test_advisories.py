"""JetStream's advisories name the deleted queue."""

from collections.abc import Callable

import pytest

from penstock_broker import advisories

STREAM = "$JS.EVENT.ADVISORY.STREAM.DELETED"
CONSUMER = "$JS.EVENT.ADVISORY.CONSUMER.DELETED"


class FakeConnection:
    def __init__(self) -> None:
        self.listeners: dict[str, Callable[[str, bytes], None]] = {}

    def listen(self, subject: str, callback: Callable[[str, bytes], None]) -> None:
        self.listeners[subject] = callback


def notified(subject: str) -> list[tuple[str, str] | str]:
    """The listeners that one advisory calls, of those with a matching filter."""
    found: list[tuple[str, str] | str] = []
    connection = FakeConnection()
    advisories.listen(connection, queue_deleted=found.append, catalogue_deleted=lambda: found.append("catalogue"))
    for filter_, callback in connection.listeners.items():
        tokens, wanted = subject.split("."), filter_.split(".")
        if len(tokens) == len(wanted) and all(want in {"*", token} for want, token in zip(wanted, tokens, strict=True)):
            callback(subject, b"{}")
    return found


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (f"{STREAM}.REQUESTS_team-a_main", [("team-a", "main")]),
        (f"{CONSUMER}.REQUESTS_team-a_main.workers", [("team-a", "main")]),
        (f"{STREAM}.KV_routes", ["catalogue"]),
        # Every watch of the catalogue is a consumer too, and is deleted with its watcher.
        (f"{CONSUMER}.KV_routes.abc", []),
        (f"{CONSUMER}.REQUESTS_team-a_main.another-consumer", []),
        (f"{STREAM}.KV_keys", []),
        (f"{STREAM}.REQUESTS_of_somebody_else", []),
    ],
)
def test_advisories_of_queues_consumers_and_catalogue_are_distinguished_from_foreign_ones(
    subject: str, expected: list[tuple[str, str] | str]
) -> None:
    assert notified(subject) == expected
