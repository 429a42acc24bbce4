"""The bundled nats-server as a process of a test."""

import asyncio
import sys
from pathlib import Path

from harness.nats_users import NatsUsers
from harness.processes import Process, free_port, until

NATS_CONFIG = """
listen: 127.0.0.1:{port}
max_payload: 8MB
jetstream {{ {jetstream} store_dir: "{directory}/jetstream" }}
feature_flags {{ js_ack_fc_v2: false }}
"""


class NatsServer:
    """A nats-server that keeps its port over a restart; its memory streams do not survive one."""

    def __init__(self, directory: Path, users: NatsUsers | None = None, *, jetstream: str = "", tls: str = "") -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._log = directory / "nats.log"
        self._config = directory / "nats.conf"
        trusted = "" if users is None else users.config
        self._config.write_text(
            NATS_CONFIG.format(port=self.port, directory=directory, jetstream=jetstream) + trusted + tls
        )
        self.process = self.start()

    def start(self) -> Process:
        binary = Path(sys.executable).parent / "nats-server"
        self.process = Process("nats", [str(binary), "-c", str(self._config)], self._log, leashed=True)
        return self.process

    async def listening(self) -> None:
        """Wait until it takes connections."""

        async def connects() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                return False
            writer.close()
            await writer.wait_closed()
            return True

        await until(connects, "nats-server listens")

    def kill(self) -> None:
        self.process.kill()
