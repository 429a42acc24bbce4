"""Each alert with series that make it fire, and with series that do not, evaluated by Prometheus' own promtool."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ALERTS = Path(__file__).parents[3] / "charts" / "penstock" / "files" / "alerts.yaml"
PROMTOOL = shutil.which("promtool")
NS = 'namespace="NAMESPACE"'
ROUTE = 'penstock_route="ai.main"'


def errors(code: str) -> str:
    return f'penstock_errors_total{{{NS}, {ROUTE}, error_type="{code}"}}'


class Case(NamedTuple):
    """Series and their values by minute, as promtool writes them; `at` is the time of the evaluation."""

    alert: str
    at: str
    fires: Mapping[str, str]
    quiet: Mapping[str, str]


def condition(type_: str, status: str) -> str:
    labels = f'penstock_condition="{type_}", penstock_status="{status}"'
    return f"penstock_route_condition{{{NS}, {ROUTE}, {labels}}}"


def workers(state: str) -> str:
    return f'penstock_route_workers{{{NS}, {ROUTE}, penstock_worker_state="{state}"}}'


def waits(bucket: str) -> str:
    """10 s is the last bucket of the process: a quantile is never above it."""
    if bucket == "count":
        return f"penstock_queue_wait_seconds_count{{{NS}, {ROUTE}}}"
    return f'penstock_queue_wait_seconds_bucket{{{NS}, {ROUTE}, le="{bucket}"}}'


def stored(of: str, store: str = "memory") -> str:
    return f'penstock_nats_jetstream_{of}_bytes{{{NS}, penstock_nats_server="nats-0", penstock_store="{store}"}}'


CONNECTED = f'penstock_broker_connected{{{NS}, pod="gateway-1"}}'
LEADING = f"penstock_operator_leading{{{NS}}}"
NATS_UP = f'penstock_nats_up{{{NS}, penstock_nats_server="nats-0"}}'
IN_FLIGHT = f"penstock_streams_in_flight{{{NS}}}"
SERVED = f'penstock_operator_namespace_served{{{NS}, penstock_namespace="ai"}}'
CALLS = f'penstock_operator_api_calls_total{{{NS}, penstock_api_code="403"}}'
USAGE, USAGE_MAX = f"penstock_usage_stored_bytes{{{NS}}}", f"penstock_usage_stored_max_bytes{{{NS}}}"
ONE_ERROR = "0 0 0 0 0 8 8 8 8 8 8 8"
CASES = (
    Case("PenstockNobodyLeads", "4m", {LEADING: "0x10"}, {LEADING: "1x10"}),
    Case("PenstockGatewaysDown", "4m", {}, {IN_FLIGHT: "0x10"}),
    Case("PenstockBrokerAway", "4m", {CONNECTED: "0x10"}, {CONNECTED: "1x10"}),
    # As long as the broker is away, also without a request.
    Case("PenstockBrokerAway", "60m", {CONNECTED: "0x70"}, {CONNECTED: "0 1x70"}),
    Case("PenstockBrokerServerDown", "4m", {NATS_UP: "0x10"}, {NATS_UP: "1x10"}),
    Case(
        "PenstockBrokerNearlyFull",
        "8m",
        {stored("stored"): "81x10", stored("stored_max"): "100x10"},
        {stored("stored"): "79x10", stored("stored_max"): "100x10"},
    ),
    Case(
        "PenstockBrokerNearlyFull",
        "8m",
        {stored("stored", "file"): "81x10", stored("stored_max", "file"): "100x10"},
        {stored("stored", "file"): "81x10", stored("stored_max", "file"): "0x10"},
    ),
    Case("PenstockRouteNotReady", "8m", {condition("Ready", "False"): "1x10"}, {condition("Ready", "Unknown"): "1x10"}),
    Case(
        "PenstockRequestsNotTaken",
        "8m",
        {errors("queue_timeout"): "0+1x10"},
        {errors("queue_timeout"): "7x10", errors("rate_limit_exceeded"): "0+1x10"},
    ),
    Case("PenstockMemoryFull", "8m", {errors("overloaded"): ONE_ERROR}, {errors("overloaded"): "8x12"}),
    Case("PenstockMemoryFull", "8m", {errors("broker_full"): ONE_ERROR}, {errors("queue_full"): ONE_ERROR}),
    # The first error of a process: the counter is there with 0 before.
    Case("PenstockStreamsBroken", "8m", {errors("worker_lost"): ONE_ERROR}, {errors("worker_lost"): "8x12"}),
    Case("PenstockStreamsBroken", "8m", {errors("internal_error"): ONE_ERROR}, {errors("cancelled"): ONE_ERROR}),
    Case(
        "PenstockQueueSlow",
        "16m",
        {waits("10.0"): "0+94x20", waits("+Inf"): "0+100x20", waits("count"): "0+100x20"},
        {waits("10.0"): "0+96x20", waits("+Inf"): "0+100x20", waits("count"): "0+100x20"},
    ),
    Case(
        "PenstockWorkersMissing",
        "12m",
        {workers("desired"): "2x20", workers("ready"): "1x20"},
        {workers("desired"): "2x20", workers("ready"): "2x20"},
    ),
    Case(
        "PenstockProviderRefuses",
        "8m",
        {errors("provider_auth_failed"): ONE_ERROR},
        {errors("provider_rejected"): ONE_ERROR},
    ),
    Case(
        "PenstockRouteDegraded", "8m", {condition("Degraded", "True"): "1x10"}, {condition("Degraded", "False"): "1x10"}
    ),
    Case(
        "PenstockUsageNearlyFull", "18m", {USAGE: "81x20", USAGE_MAX: "100x20"}, {USAGE: "80x20", USAGE_MAX: "100x20"}
    ),
    Case("PenstockNamespaceNotServed", "8m", {SERVED: "0x10"}, {SERVED: "1x10"}),
    Case("PenstockOperatorErrors", "30m", {CALLS: "0+12x40"}, {CALLS: "0+3x40"}),
)


@pytest.mark.skipif(
    PROMTOOL is None and os.environ.get("PENSTOCK_TEST_PROMETHEUS") != "required",
    reason="promtool is not installed: apt-get install prometheus",
)
@pytest.mark.parametrize("case", CASES, ids=[f"{case.alert} at {case.at}" for case in CASES])
def test_chart_alert_fires_for_its_series_and_no_others(case: Case, tmp_path: Path) -> None:
    assert PROMTOOL is not None
    (tmp_path / "alerts.yaml").write_text(ALERTS.read_text("utf-8"), "utf-8")
    labels = _firing(case, tmp_path)
    assert labels == {"fires": True, "quiet": False}


def test_chart_alerts_have_cases_for_every_rule() -> None:
    (group,) = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    assert {case.alert for case in CASES} == {rule["alert"] for rule in group["rules"]}
    assert {rule["labels"]["severity"] for rule in group["rules"]} == {"critical", "warning"}


def _firing(case: Case, directory: Path) -> dict[str, bool]:
    """By group of series: true if the alert fires for it."""
    return {
        name: not _silent(case, series, directory) for name, series in (("fires", case.fires), ("quiet", case.quiet))
    }


def _silent(case: Case, series: Mapping[str, str], directory: Path) -> bool:
    """True if promtool finds no alert, where the test expects none."""
    test: dict[str, Any] = {
        "rule_files": ["alerts.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": []}],
            }
        ],
    }
    (directory / "test.yaml").write_text(yaml.safe_dump(test), "utf-8")
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yaml"], cwd=directory, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0 or "got:[" in output, output
    return done.returncode == 0
