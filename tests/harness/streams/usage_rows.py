"""The usage row of every request, from the admin API: it shows how often each was served."""

from collections.abc import Sequence

import msgspec
from harness.kubernetes.node.installation import Installation

from penstock_contract.usage.record import UsageRow
from penstock_contract.usage.report import UsageRows

ROWS_MAX = 10_000


async def usage_rows(release: Installation) -> Sequence[UsageRow]:
    """Of all requests so far, open ones too."""
    async with await release.admin() as admin:
        answer = await admin.get("/admin/usage/rows", params={"limit": ROWS_MAX})
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=UsageRows).rows
