"""Entry point of a gateway process: `python -m penstock_gateway`."""

import penstock_runtime.blocked_imports  # noqa: F401

# isort: split

import os
import sys

from penstock_gateway.composition import create_gateway
from penstock_gateway.server.server import GatewayServer
from penstock_gateway.settings import GatewaySettings
from penstock_runtime import settings
from penstock_runtime.clock import SystemClock
from penstock_runtime.telemetry import logs
from penstock_runtime.telemetry.setup import configure


def main() -> None:
    try:
        config = settings.load(GatewaySettings, os.environ)
        config.check()
    except settings.InvalidSettings as error:
        sys.exit(f"penstock gateway: {error}")
    logs.configure("penstock-gateway", level=config.log_level, batched=True)
    telemetry = configure("penstock-gateway", os.environ, prometheus=True)
    try:
        gateway = create_gateway(config, telemetry, SystemClock())
    except OSError as error:
        sys.exit(f"penstock gateway: the admin API cannot listen on {config.admin_host}:{config.admin_port}: {error}")
    GatewayServer(config, gateway.app, gateway.end_streams).run()
    telemetry.close()


if __name__ == "__main__":
    main()
