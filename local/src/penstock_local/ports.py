"""Ports of this machine: one that is free, and whether a given one is."""

from penstock_contract.listening import bound

EXAMPLE = 'make dev ARGS="--port 9000"'


class PortTaken(Exception):  # noqa: N818 - the message is the whole story
    """Nothing can listen there; the message says why."""


def free(host: str) -> int:
    """A port that nobody has now. Somebody could take it before we do; a retry then is a new start."""
    with bound(host, 0) as found:
        return int(found.getsockname()[1])


def check(host: str, port: int) -> None:
    """Raises `PortTaken`."""
    try:
        with bound(host, port):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise PortTaken(
            f"cannot listen on {host}:{port} ({reason}); choose another with --port, for example {EXAMPLE}"
        ) from error
