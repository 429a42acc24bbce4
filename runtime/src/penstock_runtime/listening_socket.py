"""A socket to listen on, bound before anything is built on it: a taken port is known at the start."""

import socket


def bind(host: str, port: int) -> socket.socket:
    """Raises `OSError` where nothing can listen. Whoever calls closes it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        # As uvicorn does: a port in TIME_WAIT is free.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made
