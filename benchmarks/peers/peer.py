"""The interface of a peer: its installation, configuration and start, and the requests that it takes."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import install

REPOSITORY = install.HERE.parent


@dataclass(frozen=True)
class Command:
    """The start of a peer."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    port_file: Path | None = None
    """For a peer that chooses its port itself: the file that it writes its port to."""


@dataclass(frozen=True)
class Place:
    """Where a peer runs in this run."""

    work: Path  # for its configuration and state
    port: int
    provider: int  # port
    key: str  # that clients come with
    collector: str = ""  # URL of an OTLP collector


class Peer(Protocol):
    """Something that serves OpenAI chat completions on a loopback port, in front of the provider."""

    name: str
    title: str
    path: str = "/v1/chat/completions"
    model: str = "bench"
    held: int | None = None
    """At most this many streams are held open; None: as many as the run holds."""

    def install(self) -> None:
        """Bring everything needed; a second call costs nothing."""

    def command(self, place: Place) -> Command:
        """Write the configuration, and return the start command."""
        ...

    def client_key(self, place: Place) -> str:
        """The key of the measured requests. Called after the first token, which `place.key` paid for."""
        return place.key

    def version(self) -> str:
        """After install."""
        ...


def output(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
