import base64
from typing import Any

import pytest
import yaml

from lab.addons import FOLDER, adapt_metallb, metallb_images
from lab.images import BUSYBOX, PAUSE, REGISTRY
from lab.settings import POOL

# The shape of MetalLB's own manifest, cut down to what is adapted.
MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: metallb-system}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: addresspools.metallb.io}
spec: {group: metallb.io, conversion: {strategy: Webhook}}
---
apiVersion: v1
kind: Secret
metadata: {name: webhook-server-cert, namespace: metallb-system}
---
apiVersion: v1
kind: Service
metadata: {name: webhook-service, namespace: metallb-system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: controller, namespace: metallb-system}
spec:
  template:
    spec:
      containers:
        - name: controller
          image: quay.io/metallb/controller:v0
          args: [--port=7472]
          readinessProbe: {httpGet: {path: /metrics, port: monitoring}, initialDelaySeconds: 10, periodSeconds: 10}
          volumeMounts: [{name: cert, mountPath: /certs}]
      nodeSelector: {kubernetes.io/os: linux}
      volumes: [{name: cert, secret: {secretName: webhook-server-cert}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: speaker, namespace: metallb-system}
spec:
  template:
    spec:
      containers:
        - name: speaker
          image: quay.io/metallb/speaker:v0
          readinessProbe: {httpGet: {path: /metrics, port: monitoring}, initialDelaySeconds: 10, periodSeconds: 10}
          volumeMounts: [{name: memberlist, mountPath: /etc/ml_secret_key}]
      volumes: [{name: memberlist, secret: {secretName: memberlist}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: metallb-webhook-configuration}
"""


@pytest.fixture
def adapted() -> dict[str, dict[str, Any]]:
    return {f"{d['kind']}/{d['metadata']['name']}": d for d in adapt_metallb(MANIFEST, b"k" * 32)}


def _pod(document: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = document["spec"]["template"]["spec"]
    return pod


def test_metallb_loses_its_webhooks_and_nothing_else(adapted: dict[str, dict[str, Any]]) -> None:
    assert set(adapted) == {
        "Namespace/metallb-system",
        "CustomResourceDefinition/addresspools.metallb.io",
        "Deployment/controller",
        "DaemonSet/speaker",
        "Secret/memberlist",
    }
    assert "conversion" not in adapted["CustomResourceDefinition/addresspools.metallb.io"]["spec"]
    assert "--webhook-mode=disabled" in _pod(adapted["Deployment/controller"])["containers"][0]["args"]


def test_the_controller_no_longer_mounts_the_certificate_that_is_left_out(adapted: dict[str, dict[str, Any]]) -> None:
    pod = _pod(adapted["Deployment/controller"])
    assert (pod["volumes"], pod["containers"][0]["volumeMounts"]) == ([], [])


def test_the_speakers_find_their_secret_without_the_controllers_help(adapted: dict[str, dict[str, Any]]) -> None:
    assert _pod(adapted["DaemonSet/speaker"])["volumes"] == [
        {"name": "memberlist", "secret": {"secretName": "memberlist"}}
    ]
    assert base64.b64decode(adapted["Secret/memberlist"]["data"]["secretkey"]) == b"k" * 32


def test_the_speakers_run_on_every_node(adapted: dict[str, dict[str, Any]]) -> None:
    assert "nodeSelector" not in _pod(adapted["DaemonSet/speaker"])


def test_metallbs_images_keep_the_names_of_its_manifest() -> None:
    assert metallb_images(MANIFEST) == {
        "controller": "quay.io/metallb/controller:v0",
        "speaker": "quay.io/metallb/speaker:v0",
    }


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def test_name_service_answers_on_the_address_that_pods_ask() -> None:
    (service,) = [document for document in _documents("coredns.yaml") if document["kind"] == "Service"]
    assert service["spec"]["clusterIP"] == "10.43.0.10"


def test_name_service_reads_what_users_add_as_k3s_does() -> None:
    by_kind = {document["kind"]: document for document in _documents("coredns.yaml")}
    default_block, _, after = by_kind["ConfigMap"]["data"]["Corefile"].partition("\n}\n")
    assert "\n    reload" in default_block
    assert default_block.endswith("import /etc/coredns/custom/*.override")
    assert after == "import /etc/coredns/custom/*.server\n"
    mounted = _pod(by_kind["Deployment"])["volumes"][1]["configMap"]
    assert mounted == {"name": "coredns-custom", "optional": True}


def test_the_pool_is_the_one_of_the_settings() -> None:
    (pool,) = [document for document in _documents("metallb-pool.yaml") if document["kind"] == "IPAddressPool"]
    assert pool["spec"]["addresses"] == [POOL]


def test_the_default_storage_class_waits_for_the_first_pod() -> None:
    (storage,) = [document for document in _documents("local-storage.yaml") if document["kind"] == "StorageClass"]
    assert storage["volumeBindingMode"] == "WaitForFirstConsumer"
    assert storage["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}


def test_no_addon_ever_asks_an_image_registry_since_there_is_none() -> None:
    text = "".join(path.read_text() for path in FOLDER.glob("*.yaml"))
    images = {line.split("image:")[1].strip() for line in text.splitlines() if "image:" in line}
    assert text.count("image:") == text.count("imagePullPolicy: Never")
    assert images == {"lab/coredns:1", "lab/local-path-provisioner:1", BUSYBOX}
    assert images.isdisjoint({PAUSE, REGISTRY})
