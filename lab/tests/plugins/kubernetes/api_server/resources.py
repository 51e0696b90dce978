"""The resources that tests add to a program."""

from typing import Any

from lab.tests.plugins.kubernetes.api_server.stack import Stack

SECRET_TEXT = "cGxhaW4tc2VjcmV0LXZhbHVl"
GOOD_IMAGE = "registry:3"
LOAD_BALANCER = {"type": "LoadBalancer", "selector": {"app": "x"}, "ports": [{"port": 5000}]}


def add(stack: Stack, name: str, kind: str, namespace: str = "", **args: Any) -> dict[str, Any]:
    """Add a resource to the program, whose object has the resource's name."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    resource: dict[str, Any] = {"kind": kind, "args": {"metadata": metadata, **args}}
    if namespace:
        resource["after"] = ["namespace"]
    stack.resources[name] = resource
    return resource


def annotate(resource: dict[str, Any], **annotations: str) -> None:
    named = {f"pulumi.com/{key}": value for key, value in annotations.items()}
    resource["args"]["metadata"].setdefault("annotations", {}).update(named)


def add_secret(stack: Stack, namespace: str) -> dict[str, Any]:
    return add(stack, "secret", "core.v1.Secret", namespace, data={"key": SECRET_TEXT})


def add_deployment(stack: Stack, namespace: str, image: str = GOOD_IMAGE) -> dict[str, Any]:
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "x"}},
        "template": {
            "metadata": {"labels": {"app": "x"}},
            "spec": {"containers": [{"name": "c", "image": image}]},
        },
    }
    return add(stack, "deployment", "apps.v1.Deployment", namespace, spec=spec)


def add_claim(stack: Stack, namespace: str, storage_class: str) -> dict[str, Any]:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return add(stack, "claim", "core.v1.PersistentVolumeClaim", namespace, spec=spec)


def add_class(stack: Stack, name: str) -> None:
    add(stack, name, "storage.v1.StorageClass", provisioner="none/none", volume_binding_mode="WaitForFirstConsumer")
