"""Ports of this machine: one that is free, and whether a given one is."""

import socket

EXAMPLE = 'make dev ARGS="--port 9000"'


class PortTaken(Exception):  # noqa: N818 - the message is the whole story
    """Nothing can listen there; the message says why."""


def free(host: str) -> int:
    """A port that nobody has now. Somebody could take it before we do; a retry then is a new start."""
    with _bound(host, 0) as found:
        return int(found.getsockname()[1])


def check(host: str, port: int) -> None:
    """Raises `PortTaken`."""
    try:
        with _bound(host, port):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise PortTaken(
            f"cannot listen on {host}:{port} ({reason}); choose another with --port, for example {EXAMPLE}"
        ) from error


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        # As uvicorn does: a port in TIME_WAIT is free.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
