"""The names of the registry's Service inside the cluster."""

from typing import Final

SERVICE_NAME: Final = "registry-service"


def qualified_service_name(namespace: str) -> str:
    """`namespace/name` of the registry's Service, for messages."""
    return f"{namespace}/{SERVICE_NAME}"


def service_names(namespace: str) -> tuple[str, str, str]:
    """Names of the registry's Service in the cluster's DNS, for clients in pods; the fully qualified one comes last."""
    short = f"{SERVICE_NAME}.{namespace}"
    return (short, f"{short}.svc", f"{short}.svc.cluster.local")


def cluster_endpoint(namespace: str, port: int) -> str:
    """The registry's endpoint for clients in pods."""
    return f"{service_names(namespace)[-1]}:{port}"
