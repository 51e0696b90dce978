"""A dashboard for Grafana: what the registry does, how fast, and how much room it has."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from components.config.registry import RegistrySettings
from components.registry.alerts import METRICS_SERVICE

_WIDTH: Final = 12
_HEIGHT: Final = 8
_UID: Final = "k3s-registry"
_SCHEMA: Final = 39
"""Of Grafana's dashboards; newer Grafanas convert older ones."""


def dashboard(settings: RegistrySettings) -> str:
    """The dashboard's JSON. Its variable `datasource` lets the viewer choose a Prometheus."""
    ours = f'namespace="{settings.namespace}",service="{METRICS_SERVICE}"'
    claim = f'namespace="{settings.namespace}",persistentvolumeclaim="{settings.storage.claim_name}"'
    room = (
        "Room of the claim",
        "bytes",
        {
            "free": f"kubelet_volume_stats_available_bytes{{{claim}}}",
            "size": f"kubelet_volume_stats_capacity_bytes{{{claim}}}",
        },
    )
    panels = [
        ("Requests per second", "reqps", {"{{method}} {{code}}": _rate("requests_total", ours, "method, code")}),
        (
            "Requests that failed in the registry, per second",
            "reqps",
            {"{{handler}}": _rate("requests_total", f'{ours},code=~"5.."', "handler")},
        ),
        (
            "Time of 95 % of the requests",
            "s",
            {
                "{{handler}}": "histogram_quantile(0.95, "
                f"{_rate('request_duration_seconds_bucket', ours, 'handler, le')})"
            },
        ),
        (
            "Requests in progress",
            "short",
            {"{{handler}}": f"sum by (handler) (registry_http_in_flight_requests{{{ours}}})"},
        ),
        *([room] if settings.storage.s3 is None else []),
        ("Memory", "bytes", {"{{pod}}": f"process_resident_memory_bytes{{{ours}}}"}),
    ]
    document = {
        "uid": _UID,
        "title": f"Registry {settings.endpoint}",
        "schemaVersion": _SCHEMA,
        "editable": True,
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(place, *panel) for place, panel in enumerate(panels)],
    }
    return json.dumps(document, indent=1)


def expressions(document: str) -> Sequence[str]:
    """Every query of a dashboard."""
    return [target["expr"] for panel in json.loads(document)["panels"] for target in panel["targets"]]


def _rate(metric: str, labels: str, by: str) -> str:
    return f"sum by ({by}) (rate(registry_http_{metric}{{{labels}}}[$__rate_interval]))"


def _panel(place: int, title: str, unit: str, queries: Mapping[str, str]) -> Mapping[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    row, column = divmod(place, 2)
    return {
        "id": place + 1,
        "title": title,
        "type": "timeseries",
        "datasource": source,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": source, "legendFormat": legend, "expr": expression}
            for index, (legend, expression) in enumerate(queries.items())
        ],
    }
