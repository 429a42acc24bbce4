"""Entry point of a worker process: `python -m penstock_worker`."""

import penstock_runtime.blocked_imports  # noqa: F401

# isort: split

import os
import sys

import uvloop

from penstock_runtime import settings
from penstock_runtime.telemetry import logs
from penstock_worker.composition import serve
from penstock_worker.settings import WorkerSettings


def main() -> None:
    try:
        config = settings.load(WorkerSettings, os.environ)
        config.address_rules  # noqa: B018 - raises for an invalid address
    except settings.InvalidSettings as error:
        sys.exit(f"penstock worker: {error}")
    logs.configure("penstock-worker", level=config.log_level, batched=True)
    uvloop.run(serve(config))


if __name__ == "__main__":
    main()
