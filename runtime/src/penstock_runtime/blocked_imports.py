"""Imported before all other modules by a gateway and a worker, which must start fast from zero.

nats-py imports aiohttp, for WebSockets, and structlog imports rich, for colours, wherever these are installed; no
setting of either prevents it. The operator needs aiohttp, and Litestar's command line rich, so both are in the image.
Without them a worker starts with about 50 % less CPU and 13 MiB less memory, a gateway with 30 % and 12 MiB less
(docs/decisions/0013).
"""

import sys
from typing import Final

UNUSED: Final = ("aiohttp", "rich")

# None in `sys.modules` makes `import` raise ModuleNotFoundError (Python's reference, "The module cache"). A process
# that has imported one of them already keeps it.
sys.modules.update({name: None for name in UNUSED if name not in sys.modules})  # type: ignore[misc]
