"""Imported before all others by a process whose start is waited for: a gateway, a worker.

Two libraries import what they find and what nobody here uses: nats-py aiohttp, for WebSockets, and structlog rich, for
colours. They are there because the operator and Litestar's command line want them. Without them a worker starts with
40 % less CPU and has 14 MiB less, a gateway 35 % and 12 MiB (measured; the start from zero is a promise).
"""

import sys
from typing import Final

UNUSED: Final = ("aiohttp", "rich")

# None is how Python itself is told that a module is not to be had.
sys.modules.update({name: None for name in UNUSED if name not in sys.modules})  # type: ignore[misc]
