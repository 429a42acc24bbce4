"""Entry point of an operator process: `python -m penstock_operator`."""

import os
import sys

import uvloop

from penstock_operator import composition
from penstock_operator.kube.credentials import ClusterConfigError
from penstock_operator.kube.watch.watcher import quieten_kopf
from penstock_operator.leadership import Operator
from penstock_operator.settings import OperatorSettings
from penstock_runtime import settings
from penstock_runtime.clock import SystemClock
from penstock_runtime.telemetry import logs
from penstock_runtime.telemetry.setup import configure


async def serve(config: OperatorSettings) -> None:
    telemetry = configure("penstock-operator", os.environ, prometheus=True)
    await Operator(composition.build(config, os.environ, telemetry, SystemClock())).run()
    telemetry.close()


def main() -> None:
    try:
        config = settings.load(OperatorSettings, os.environ)
        config.check()
    except settings.InvalidSettings as error:
        sys.exit(f"penstock operator: {error}")
    logs.configure("penstock-operator", level=config.log_level)
    quieten_kopf()
    try:
        uvloop.run(serve(config))
    except ClusterConfigError as error:
        sys.exit(f"penstock operator: {error}")


if __name__ == "__main__":
    main()
