"""The gateway's app under a stock uvicorn that hands no connection over: `python -m harness.plain_gateway`.

`PLAIN_HTTP` chooses uvicorn's protocol, `httptools` or `h11`. For the plain ASGI path of `event_stream`.
"""

import os

import uvicorn

from penstock_gateway.composition import create_gateway
from penstock_gateway.settings import GatewaySettings
from penstock_runtime import settings
from penstock_runtime.clock import SystemClock
from penstock_runtime.telemetry import logs
from penstock_runtime.telemetry.setup import configure


def main() -> None:
    config = settings.load(GatewaySettings, os.environ)
    logs.configure("plain-gateway")
    app = create_gateway(config, configure("plain-gateway", os.environ), SystemClock()).app
    http = "h11" if os.environ["PLAIN_HTTP"] == "h11" else "httptools"
    uvicorn.run(app, host=config.host, port=config.port, http=http, interface="asgi3", log_config=None)


if __name__ == "__main__":
    main()
