"""Composition root of a gateway process: `python -m penstock_gateway`.

Shutdown, in order (uvicorn drives it on SIGTERM):
    1. Stop listening; keep-alive connections without a request are closed.
    2. Open responses finish, at most `shutdown_grace_s`.
    3. The lifespan ends: last messages to workers, then the broker's connection.
"""

import os
import signal
import sys

import uvicorn

from penstock_contract import settings
from penstock_contract.clock import SystemClock
from penstock_contract.telemetry import logs
from penstock_contract.telemetry.setup import configure
from penstock_gateway.app import create_app
from penstock_gateway.protocol import GatewayProtocol
from penstock_gateway.settings import GatewaySettings


def main() -> None:
    try:
        config = settings.load(GatewaySettings, os.environ)
    except settings.InvalidSettings as error:
        sys.exit(f"penstock gateway: {error}")
    logs.configure("penstock-gateway", level=config.log_level)
    telemetry = configure("penstock-gateway", os.environ, prometheus=True)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(config, telemetry, SystemClock()),
            host=config.host,
            port=config.port,
            loop="uvloop",
            http=GatewayProtocol,
            ws="none",
            lifespan="on",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(config.shutdown_grace_s),
        )
    )
    # uvicorn raises the signals that it caught once more when all is done; with the default handlers the process
    # would die there, with its last spans and a wrong exit code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    server.run()
    telemetry.close()


if __name__ == "__main__":
    main()
