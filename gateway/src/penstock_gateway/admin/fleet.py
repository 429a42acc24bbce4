"""The state of the installation over HTTP. It contains names of routes and keys, and no prompt."""

from litestar import get

from penstock_contract.fleet.view import Fleet
from penstock_gateway.admin.dependencies import AdminDependencies


@get("/admin/fleet")
async def fleet(admin: AdminDependencies) -> Fleet:
    """Routes with queue, workers, traffic and today's spend. The first call in a while takes a second: see `Fleet`."""
    return await admin.fleet.fleet()
