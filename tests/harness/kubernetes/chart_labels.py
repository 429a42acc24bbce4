"""The chart's own labels, and values whose labels clash with them."""

from collections.abc import Mapping
from typing import Any

from harness.kubernetes.chart_objects import EVERYTHING

OWN_LABELS = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",
    "helm.sh/chart",
)
SELECTING = OWN_LABELS[:4]
CLASHING: Mapping[str, Any] = {
    **EVERYTHING,
    "commonLabels": dict.fromkeys(OWN_LABELS, "mine"),
    "gateway": EVERYTHING["gateway"] | {"podLabels": dict.fromkeys(OWN_LABELS, "pods")},
    "operator": {"podLabels": dict.fromkeys(OWN_LABELS, "pods"), "podAnnotations": {"penstock.dev/nats-keys": "mine"}},
    "nats": {
        "podLabels": dict.fromkeys(OWN_LABELS, "pods"),
        "podAnnotations": {"checksum/config": "mine", "penstock.dev/nats-keys": "mine"},
        "auth": {
            "rotation": "2027",
            "job": {
                "podLabels": dict.fromkeys(OWN_LABELS, "pods"),
                "podAnnotations": {"sidecar.istio.io/inject": "false"},
            },
        },
    },
    "monitoring": {
        name: {"enabled": True, "labels": dict.fromkeys(OWN_LABELS, "monitoring")}
        for name in ("monitors", "rules", "dashboard")
    },
    "test": {
        "podLabels": dict.fromkeys(OWN_LABELS, "pods"),
        "podAnnotations": {"helm.sh/hook": "mine", "sidecar.istio.io/inject": "false"},
    },
}
