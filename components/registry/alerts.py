"""The rules by which Prometheus says that the registry needs attention."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from components.config.registry import RegistrySettings

METRICS_SERVICE: Final = "registry-metrics"
_DAY: Final = 86400
_AUTHORITY_DAYS: Final = 90
_LEAST_CERTIFICATE_DAYS: Final = 3
_LEAST_SPACE: Final = 0.1


def rules(
    settings: RegistrySettings,
    *,
    renew_days: int,
    server_not_after: str,
    issuer_not_after: str,
    oldest_proof: int | None,
) -> Mapping[str, Any]:
    """The specification of a PrometheusRule.

    The ends of certificates and the age of the proofs are numbers in the rules, since no metric of the registry has
    them: whatever changes one of them also runs this. As an alert, a number must be a `vector`.

    Args:
        settings: the registry.
        renew_days: from how many days before its end an `up` renews the certificate.
        server_not_after: the end of the server certificate, RFC 3339.
        issuer_not_after: the end of its issuer, RFC 3339.
        oldest_proof: when the node whose proof is the oldest pulled, in seconds since 1970; None if no node has.

    """
    # Whoever runs `up` now and then renews the certificate long before this.
    late = max(renew_days // 2, _LEAST_CERTIFICATE_DAYS)
    alerts = [
        *([_space_low(settings)] if settings.storage.s3 is None else []),
        _alert(
            "RegistryCertificateEnds",
            f"vector({epoch(server_not_after)}) - time() < {late * _DAY}",
            wait="1h",
            severity="critical",
            summary=f"The certificate of {settings.endpoint} ends at {server_not_after}: run `pulumi up`, "
            "which renews it.",
        ),
        _alert(
            "RegistryAuthorityEnds",
            f"vector({epoch(issuer_not_after)}) - time() < {_AUTHORITY_DAYS * _DAY}",
            wait="1h",
            severity="warning",
            summary=f"The authority of {settings.endpoint} ends at {issuer_not_after}: rotate it, in three steps.",
        ),
    ]
    if settings.monitoring.service_monitor:
        # Without one, Prometheus has no such series, and the alert would never end.
        down = f'absent(up{{namespace="{settings.namespace}",service="{METRICS_SERVICE}"}} == 1)'
        summary = f"The registry {settings.endpoint} does not answer: no node can pull what it does not have yet."
        alerts.append(_alert("RegistryDown", down, wait="5m", severity="critical", summary=summary))
    if oldest_proof is not None:
        days = settings.monitoring.proof_days
        alerts.append(
            _alert(
                "RegistryProofOld",
                f"time() - vector({oldest_proof}) > {days * _DAY}",
                wait="1h",
                severity="warning",
                summary=f"For {days} days no `pulumi up` has made every node pull from {settings.endpoint}: run one "
                "with another value of `audit`.",
            )
        )
    # The expressions without a metric have no labels, and Alertmanager routes by this one.
    found = {"namespace": settings.namespace}
    named = [{**alert, "labels": {**alert["labels"], **found}} for alert in alerts]
    return {"groups": [{"name": "k3s-registry", "rules": named}]}


def _space_low(settings: RegistrySettings) -> Mapping[str, Any]:
    claim = f'namespace="{settings.namespace}",persistentvolumeclaim="{settings.storage.claim_name}"'
    return _alert(
        "RegistrySpaceLow",
        f"kubelet_volume_stats_available_bytes{{{claim}}} / kubelet_volume_stats_capacity_bytes{{{claim}}} "
        f"< {_LEAST_SPACE}",
        wait="15m",
        severity="warning",
        summary=f"Less than {_LEAST_SPACE:.0%} of the claim {settings.storage.claim_name} is free: delete images "
        "and collect their space, or enlarge storage.size.",
    )


def epoch(moment: str) -> int:
    """Seconds since 1970."""
    return int(datetime.fromisoformat(moment).timestamp())


def _alert(name: str, expression: str, *, wait: str, severity: str, summary: str) -> Mapping[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": wait,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }
