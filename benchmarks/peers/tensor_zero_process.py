"""Starts the HTTP gateway of the package `tensorzero` and writes its port to a file: `CONFIG PORT_FILE`.

The package has no command and no binary. Its Rust extension holds the gateway with its HTTP server and the endpoints in
OpenAI's form, which `tensorzero.patch_openai_client` starts with this same function. It binds a free port of loopback.
No request passes through Python: the main thread sleeps in `signal.pause`.

It leaves Nagle's algorithm on, which delays the first token after the role's chunk by the 40 ms of a delayed ACK. The
listening socket gets TCP_NODELAY here, which Linux hands on to the accepted ones: the peer is measured without that.
"""

import os
import signal
import socket
import sys
from pathlib import Path


def main() -> None:
    import tensorzero  # noqa: PLC0415 - in the environment of this process only, not in that of the tests

    config, port_file = sys.argv[1:]
    gateway = tensorzero._start_http_gateway(  # noqa: SLF001
        config_file=config, clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
    )
    port = gateway.base_url.removesuffix("/openai/v1").rpartition(":")[2]
    without_nagle(int(port))
    written = Path(port_file + ".new")
    written.write_text(port)
    written.rename(port_file)
    signal.pause()


def without_nagle(port: int) -> None:
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        try:
            copy = socket.socket(fileno=os.dup(descriptor))
        except OSError:  # not a socket
            continue
        with copy:
            listens = copy.type == socket.SOCK_STREAM and copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if listens and copy.getsockname()[1] == port:
                copy.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return
    raise SystemExit(f"no socket of this process listens on port {port}")


if __name__ == "__main__":
    main()
