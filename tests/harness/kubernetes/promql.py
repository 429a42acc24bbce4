"""The metrics and labels that the expressions of a dashboard and of alerts use, as far as a regular expression finds.

Every selector has braces, empty ones too: without them a metric looks like a label or a function.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

SELECTOR = re.compile(r"\b(\w+)\{([^}]*)\}")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
GROUPING = re.compile(r"\bby \(([^)]*)\)")
NAME = re.compile(r"\b(?:penstock|gen_ai)_\w+\b")


class Use(NamedTuple):
    """One metric of an expression, with the labels that the expression needs of it."""

    metric: str
    labels: frozenset[str]


def uses(expression: str) -> Iterator[Use]:
    """Every metric in the expression; each must have the labels that it groups by."""
    grouped = {label.strip() for group in GROUPING.findall(expression) for label in group.split(",")}
    for metric, matchers in SELECTOR.findall(expression):
        yield Use(metric, frozenset({*MATCHER.findall(matchers), *grouped}))


def unbraced(expression: str) -> set[str]:
    """Names that look like metrics of Penstock and are not parsed as metrics."""
    bare = GROUPING.sub("", SELECTOR.sub("", expression))
    return set(NAME.findall(bare))


def of_rules(rule: Mapping[str, Any]) -> Iterator[str]:
    """The expressions of a PrometheusRule."""
    for group in rule["spec"]["groups"]:
        yield from (alert["expr"] for alert in group["rules"])


def of_dashboard(config_map: Mapping[str, Any]) -> Iterator[str]:
    """The expressions of a dashboard's panels and of its variables."""
    (text,) = config_map["data"].values()
    dashboard = json.loads(text)
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    for variable in dashboard["templating"]["list"]:
        if found := re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]):
            yield f"sum by ({found[2]}) ({found[1]})"
