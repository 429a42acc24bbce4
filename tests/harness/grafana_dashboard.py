"""The chart's dashboard as Grafana queries a Prometheus: variables by their own queries, `All` as an alternation.

Grafana itself is not run: no registry of packages has it.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

DASHBOARD = Path(__file__).parents[2] / "charts" / "penstock" / "files" / "dashboard.json"
LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")


class Query(NamedTuple):
    """One query of a panel, with the legend's template of its series."""

    panel: str
    letter: str
    expression: str
    legend: str

    def name(self, labels: Mapping[str, str]) -> str:
        """A series' name in the legend."""
        return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), self.legend)


class GrafanaDashboard:
    """`interval` replaces `$__rate_interval`: four times the time between two scrapes."""

    def __init__(self, interval: str) -> None:
        self.json: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))
        self._interval = interval

    async def variables(self, label_values: Callable[[str, str], Awaitable[list[str]]]) -> dict[str, list[str]]:
        """All values of each variable that is a query, by `label_values(selector, label)` of a Prometheus."""
        values: dict[str, list[str]] = {}
        for one in self.json["templating"]["list"]:
            if one["type"] == "query":
                found = LABEL_VALUES.fullmatch(self.filled(one["query"], values))
                assert found is not None, one["query"]
                values[one["name"]] = await label_values(found["selector"], found["label"])
        return values

    def queries(self, values: Mapping[str, list[str]]) -> Iterator[Query]:
        for panel in self.json["panels"]:
            for target in panel.get("targets", []):
                expression = self.filled(target["expr"], values)
                yield Query(panel["title"], target["refId"], expression, target["legendFormat"])

    def filled(self, text: str, values: Mapping[str, list[str]]) -> str:
        """With its variables replaced. One that is in no value fails."""
        replaced = text.replace("$__rate_interval", self._interval)
        for name, found in values.items():
            replaced = re.sub(rf"\${name}\b", lambda _, found=found: _all(found), replaced)
        assert "$" not in replaced, replaced
        return replaced


def _all(values: list[str]) -> str:
    """As Grafana writes a variable of several values into a Prometheus expression."""
    escaped = [re.sub(r"([\\^$*+?.()|{}\[\]])", r"\\\\\1", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
