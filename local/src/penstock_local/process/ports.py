"""Ports of this machine: one that is free, and a given one to listen on."""

from socket import socket

from penstock_runtime.listening_socket import bind

BACKLOG = 2048
"""As uvicorn's."""
EXAMPLE = 'make dev ARGS="--port 9000"'


class PortTaken(Exception):  # noqa: N818 - the message is the whole story
    """Nothing can listen there; the message says why."""


def free(host: str) -> int:
    """A port that nobody has now. Somebody could take it before we do; a retry then is a new start."""
    with bind(host, 0) as found:
        return int(found.getsockname()[1])


def listener(host: str, port: int) -> socket:
    """A socket that listens there, 0 being any free port; the caller closes it. Raises `PortTaken`."""
    try:
        made = bind(host, port)
        try:
            # Two sockets can be bound to one port, but only one of them can listen.
            made.listen(BACKLOG)
        except OSError:
            made.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise PortTaken(
            f"cannot listen on {host}:{port} ({reason}); choose another with --port, for example {EXAMPLE}"
        ) from error
    return made
