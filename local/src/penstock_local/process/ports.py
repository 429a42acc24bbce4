"""Ports of this machine: one that is free, and a given one to listen on."""

from socket import socket

from penstock_runtime.listen_address import bind

BACKLOG = 2048
"""As uvicorn's."""
EXAMPLE = 'make dev ARGS="--port 9000"'


class PortTaken(Exception):  # noqa: N818 - the message is the whole information
    """The address cannot be bound; the message has the reason."""


def free_port(host: str) -> int:
    """A port that is free now. Another process may take it before its use; a restart then chooses another."""
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
