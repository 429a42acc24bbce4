"""The dashboard is what Grafana's own published schema defines, read strictly. Its queries: `test_alerts.py`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from harness.grafana_dashboard import DASHBOARD
from harness.kubernetes import binaries


def _read(path: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([binaries.binary("grafana"), path], capture_output=True, text=True, check=False)


def test_dashboard_meets_the_schema_of_grafana() -> None:
    done = _read(DASHBOARD)
    assert done.returncode == 0, done.stderr
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    assert int(done.stdout) == len([panel for panel in panels if panel["type"] != "row"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda panel: panel["options"].pop("legend"), "options.legend", id="missing"),
        pytest.param(lambda panel: panel.update(titel="x"), "unexpected field 'titel'", id="unknown"),
        pytest.param(lambda panel: panel.update(type="linechart"), 'panel "Requests"', id="type"),
        pytest.param(lambda panel: panel["targets"][0].update(expr=1), "expr", id="query"),
    ],
)
def test_dashboard_check_rejects_another_dashboard(tmp_path: Path, change: Any, words: str) -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    change(next(panel for panel in dashboard["panels"] if panel["title"] == "Requests"))
    path = tmp_path / "dashboard.json"
    path.write_text(json.dumps(dashboard))
    done = _read(path)
    assert done.returncode == 1
    assert words in done.stderr


def test_dashboard_panels_overlap_nowhere() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert taken.setdefault(cell, panel["title"]) == panel["title"], "two panels in one place"
