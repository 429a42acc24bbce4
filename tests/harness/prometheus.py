"""A real Prometheus that scrapes the processes of a test and evaluates the chart's alerts, at sixty times the speed.

Each minute of a rule (its `for`, its ranges) becomes a second, because a test cannot wait for a quarter of an hour.
Expressions and thresholds stay as they are. Debian's package `prometheus` has the server.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until

ALERTS = Path(__file__).parents[2] / "charts" / "penstock" / "files" / "alerts.yaml"
BINARY = shutil.which("prometheus")
NAMESPACE = "ai"
EVERY = "500ms"
RANGE = re.compile(r"\[(\d+)m\]")

needs_prometheus = pytest.mark.skipif(
    BINARY is None and os.environ.get("PENSTOCK_TEST_PROMETHEUS") != "required",
    reason="prometheus is not installed: apt-get install prometheus",
)


class Prometheus:
    """`targets` are addresses by pod; every series gets the namespace's and the pod's label. `end` stops it."""

    def __init__(self, directory: Path, targets: Mapping[str, str]) -> None:
        directory.mkdir()
        self._targets = directory / "targets.yaml"
        self.scrape(targets)
        (directory / "alerts.yaml").write_text(accelerated(), "utf-8")
        config = {
            "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
            "rule_files": ["alerts.yaml"],
            "scrape_configs": [
                {
                    "job_name": "penstock",
                    "scrape_timeout": EVERY,
                    "file_sd_configs": [{"files": [self._targets.name], "refresh_interval": "1s"}],
                }
            ],
        }
        (directory / "prometheus.yaml").write_text(yaml.safe_dump(config), "utf-8")
        address = f"127.0.0.1:{free_port()}"
        assert BINARY is not None
        self.process = Process(
            "prometheus",
            [
                BINARY,
                f"--config.file={directory / 'prometheus.yaml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={address}",
                "--log.level=error",
            ],
            directory / "prometheus.log",
            leashed=True,
        )
        self._client = plain_client(f"http://{address}", timeout=10)

    def scrape(self, targets: Mapping[str, str]) -> None:
        """Scrape these from now on."""
        groups = [
            {"targets": [target], "labels": {"namespace": NAMESPACE, "pod": pod}} for pod, target in targets.items()
        ]
        unfinished = self._targets.with_suffix(".unfinished")
        unfinished.write_text(yaml.safe_dump(groups), "utf-8")
        unfinished.replace(self._targets)

    async def ready(self) -> None:
        await until(self._ready, "Prometheus answers")

    async def firing(self) -> dict[str, list[str]]:
        """The alerts that fire now, by name, with the routes in their labels."""
        found: dict[str, list[str]] = {}
        for alert in (await self._client.get("/api/v1/alerts")).json()["data"]["alerts"]:
            if alert["state"] == "firing":
                labels = alert["labels"]
                found.setdefault(labels["alertname"], []).append(labels.get("penstock_route", ""))
        return found

    async def query(self, expression: str) -> list[Any]:
        """The series of an expression now. Raises for an expression that Prometheus refuses."""
        answer = (await self._client.get("/api/v1/query", params={"query": expression})).json()
        if answer["status"] != "success":
            raise AssertionError(f"{expression}: {answer.get('error')}")
        result: list[Any] = answer["data"]["result"]
        return result

    async def range(self, expression: str, start: float, end: float, step_s: float) -> list[Any]:
        """The series of an expression from `start` to `end`, in Unix time."""
        params = {"query": expression, "start": str(start), "end": str(end), "step": str(step_s)}
        answer = (await self._client.get("/api/v1/query_range", params=params)).json()
        if answer["status"] != "success":
            raise AssertionError(f"{expression}: {answer.get('error')}")
        result: list[Any] = answer["data"]["result"]
        return result

    async def label_values(self, selector: str, label: str) -> list[str]:
        """As Grafana's `label_values` does: the values of a label in the series of a selector."""
        answer = (await self._client.get(f"/api/v1/label/{label}/values", params={"match[]": selector})).json()
        assert answer["status"] == "success", answer
        values: list[str] = answer["data"]
        return values

    async def end(self) -> None:
        await self._client.aclose()
        await self.process.end()

    async def _ready(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return (await self._client.get("/-/ready")).status_code == 200
        return False


def accelerated() -> str:
    """The chart's alerts, in whose times a minute is a second."""
    rules = yaml.safe_load(ALERTS.read_text("utf-8").replace("NAMESPACE", NAMESPACE))
    for rule in rules["groups"][0]["rules"]:
        rule["expr"] = RANGE.sub(lambda found: f"[{found[1]}s]", rule["expr"])
        if "for" in rule:
            assert rule["for"].endswith("m")
            rule["for"] = f"{rule['for'][:-1]}s"
    text: str = yaml.safe_dump(rules)
    return text
