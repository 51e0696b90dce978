"""A bucket of an S3 service in place of the claim, and what several pods need once they share the images there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as kubernetes

from components.config.storage import S3
from components.registry.secret_data import encoded, revision

S3_ANNOTATION: Final = "k3s-registry/s3-keys"
_KEYS_FILE: Final = "s3-keys"
_CA_FILE: Final = "s3-ca.crt"
"""Keys of the registry's Secret, which is mounted as files."""


@dataclass(frozen=True, kw_only=True)
class S3Files:
    """What the registry's Secret holds for the bucket."""

    keys: pulumi.Output[Mapping[str, str]]
    ca: str | None
    server_key_pem: pulumi.Output[str]

    @property
    def data(self) -> dict[str, pulumi.Input[str]]:
        """The keys that they are in the Secret."""
        keys = self.keys.apply(lambda known: encoded(keys_file(known)))
        return {_KEYS_FILE: keys, **({} if self.ca is None else {_CA_FILE: encoded(self.ca)})}

    @property
    def revision(self) -> pulumi.Output[str]:
        """Changes with them, and so rolls the pods, which read them at their start."""
        both = pulumi.Output.all(self.keys, self.server_key_pem)
        return pulumi.Output.unsecret(both.apply(lambda known: revision([dict(known[0]), self.ca], known[1])))


def s3_files(
    s3: S3 | None, keys: pulumi.Input[Mapping[str, str]], server_key_pem: pulumi.Output[str]
) -> S3Files | None:
    """Those files; none without a bucket."""
    if s3 is None:
        return None
    known: pulumi.Output[Mapping[str, str]] = pulumi.Output.from_input(keys)
    return S3Files(keys=known, ca=s3.ca, server_key_pem=server_key_pem)


def bucket_variables(s3: S3) -> dict[str, str]:
    """The environment of a registry with a bucket.

    The first variable replaces all of the image's `storage`, its cache in memory included. It must: a pod would go on
    naming layers that a client has deleted through another pod.
    """
    texts = {
        "BUCKET": s3.bucket,
        "REGION": s3.region,
        "REGIONENDPOINT": s3.endpoint,
        "ROOTDIRECTORY": s3.root_directory,
    }
    return {
        "REGISTRY_STORAGE": "s3",
        # In quotes, since the registry reads them as YAML, in which a bucket of digits is a number.
        **{f"REGISTRY_STORAGE_S3_{name}": json.dumps(text) for name, text in texts.items() if text is not None},
        "REGISTRY_STORAGE_S3_FORCEPATHSTYLE": json.dumps(s3.force_path_style),
        # Otherwise a pull is sent on to the S3 service, which nodes would have to reach, resolve and trust as well.
        "REGISTRY_STORAGE_REDIRECT_DISABLE": "true",
        "AWS_SHARED_CREDENTIALS_FILE": f"/certs/{_KEYS_FILE}",
        # A file in place of the system's; the system's directories are read beside it.
        **({} if s3.ca is None else {"SSL_CERT_FILE": f"/certs/{_CA_FILE}"}),
    }


def keys_file(keys: Mapping[str, str]) -> str:
    """The two keys in the form of the SDK's file.

    A node has files of a Secret in memory, while containerd stores a container's environment on the disk.
    """
    return f"[default]\naws_access_key_id = {keys['accessKey']}\naws_secret_access_key = {keys['secretKey']}\n"


def file_names(s3: S3 | None) -> list[str]:
    """The keys of the Secret that the pod mounts."""
    return [] if s3 is None else [_KEYS_FILE, *([] if s3.ca is None else [_CA_FILE])]


def spread(labels: Mapping[str, str]) -> list[kubernetes.core.v1.TopologySpreadConstraintArgs]:
    """Keeps pods on different nodes, as far as there are any.

    A node that is down or being drained does not count, or the remaining ones could take no pod in its place; nor do
    the pods that a rollout is about to end.
    """
    return [
        kubernetes.core.v1.TopologySpreadConstraintArgs(
            max_skew=1,
            topology_key="kubernetes.io/hostname",
            when_unsatisfiable="DoNotSchedule",
            label_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=labels),
            match_label_keys=["pod-template-hash"],
            node_taints_policy="Honor",
        )
    ]


# The annotation is a string, or every stack would load the types of a kind that few have.
def disruption_budget(labels: Mapping[str, str]) -> "kubernetes.policy.v1.PodDisruptionBudgetSpecArgs":
    """Lets a drain end one pod at a time; pods that do not serve stop no drain."""
    return kubernetes.policy.v1.PodDisruptionBudgetSpecArgs(
        max_unavailable=1,
        selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=labels),
        unhealthy_pod_eviction_policy="AlwaysAllow",
    )


def bucket_place(s3: S3) -> list[str | None]:
    """Where the images are."""
    return [s3.endpoint, s3.region, s3.bucket, s3.root_directory]
