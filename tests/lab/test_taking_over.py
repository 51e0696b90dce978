"""A cluster on which the guide was followed by hand is taken over, with its images (docs/taking-over.md)."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.deployment import STACK, Registry
from lab.tests.waiting import wait_until

from .deployed import Deployed
from .node_files import containing
from .test_lost_state import CLAIM, urn

pytestmark = [pytest.mark.lab, pytest.mark.long]
STORE = "/usr/local/share/ca-certificates"
NAMESPACE = ("-n", "docker-registry")

# The guide's own files, with the lab's storage class, size and address.
OBJECTS = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: longhorn-docker-registry-pvc
  namespace: docker-registry
spec:
  accessModes:
    - ReadWriteOnce
  storageClassName: local-path
  resources:
    requests:
      storage: 1Gi
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: registry
  namespace: docker-registry
spec:
  replicas: 1
  selector:
    matchLabels:
      app: registry
  template:
    metadata:
      labels:
        app: registry
        name: registry
    spec:
      nodeSelector:
        node-type: worker
      containers:
      - name: registry
        image: registry:3
        ports:
        - containerPort: 5000
        env:
        - name: REGISTRY_HTTP_TLS_CERTIFICATE
          value: "/certs/tls.crt"
        - name: REGISTRY_HTTP_TLS_KEY
          value: "/certs/tls.key"
        volumeMounts:
        - name: lv-storage
          mountPath: /var/lib/registry
          subPath: registry
        - name: certs
          mountPath: /certs
      volumes:
        - name: lv-storage
          persistentVolumeClaim:
            claimName: longhorn-docker-registry-pvc
        - name: certs
          secret:
            secretName: docker-registry-tls-cert
---
apiVersion: v1
kind: Service
metadata:
  name: registry-service
  namespace: docker-registry
spec:
  selector:
    app: registry
  type: LoadBalancer
  ports:
    - name: docker-port
      protocol: TCP
      port: 5000
      targetPort: 5000
  loadBalancerIP: 10.77.0.202
"""
REGISTRIES_YAML = f"""\
mirrors:
  registry.cube.local:5000:
    endpoint:
      - "https://registry.cube.local:5000"
configs:
  registry.cube.local:
    tls:
      ca_file: "{STORE}/registry.crt"
      key_file: "{STORE}/registry.key"
"""
OPENSSL = (
    *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-sha256", "-days", "3650", "-nodes"),
    *("-subj", "/CN=registry.cube.local"),
    *("-addext", "subjectAltName=DNS:registry.cube.local,DNS:*.cube.local,IP:10.77.0.202"),
)


def follow_the_guide(deployed: Deployed, folder: Path) -> Registry:
    """Run the guide's commands, from the namespace to the file on every node."""
    kubectl = deployed.program.kubectl
    key, certificate = folder / "registry.key", folder / "registry.crt"
    subprocess.run([*OPENSSL, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    control = deployed.program.machines["control01"]
    for file in (key, certificate):
        control.write(f"/root/{file.name}", file.read_text())
    kubectl("create", "namespace", "docker-registry")
    files = ("--cert=/root/registry.crt", "--key=/root/registry.key")
    kubectl("create", "secret", "tls", "docker-registry-tls-cert", *NAMESPACE, *files)
    for file in (key, certificate):
        control.path(f"/root/{file.name}").unlink()
    kubectl("apply", "-f", "-", stdin=OBJECTS)
    for machine in deployed.program.machines.values():
        for file in (key, certificate):
            machine.write(f"{STORE}/{file.name}", file.read_text())
        machine.run(["update-ca-certificates"])
        hosts = machine.path("/etc/hosts").read_text()
        machine.write("/etc/hosts", f"{hosts}10.77.0.202 registry registry.cube.local\n")
        machine.write("/etc/rancher/k3s/registries.yaml", REGISTRIES_YAML)
    registry = Registry(host="registry.cube.local", ip="10.77.0.202", port=5000, ca_pem=certificate.read_text())

    def answers() -> bool:
        try:
            return "repositories" in registry.get(deployed.program.lab, "/v2/_catalog")
        except OSError:
            return False

    wait_until(answers, 120, "the guide's registry answers")
    return registry


@pytest.fixture
def by_hand(deployed: Deployed, tmp_path: Path) -> Iterator[Registry]:
    """The guide's registry instead of the program's; afterwards the committed stack is deployed again."""
    program = deployed.program
    program.run("destroy", "--yes", "--skip-preview")
    program.kubectl("delete", "namespace", "docker-registry", "--ignore-not-found", "--wait")
    shutil.rmtree(program.engine.backend)
    program.engine.ensure_stack(STACK)
    before = {name: machine.path("/etc/hosts").read_text() for name, machine in program.machines.items()}
    yield follow_the_guide(deployed, tmp_path)
    program.run("destroy", "--yes", "--skip-preview", expect=None)
    program.kubectl("delete", "namespace", "docker-registry", "--ignore-not-found", "--wait")
    for name, machine in program.machines.items():
        machine.write("/etc/hosts", before[name])
        for path in ("/etc/rancher/k3s/registries.yaml", f"{STORE}/registry.crt", f"{STORE}/registry.key"):
            machine.path(path).unlink(missing_ok=True)
        machine.run(["update-ca-certificates", "--fresh"])
    program.up()


def test_a_registry_that_was_built_by_hand_is_taken_over_with_its_images(
    deployed: Deployed, by_hand: Registry, tmp_path: Path
) -> None:
    program = deployed.program
    image = deployed.push("kept", by_hand)
    secret = (tmp_path / "registry.key").read_bytes().splitlines()[1]
    files = {name: machine.path("/etc/hosts").read_text() for name, machine in program.machines.items()}

    def taking_over(keys: dict[str, Any]) -> None:
        keys["takeOver"] = True

    config = program.configuration(taking_over)
    program.up(*(f"--target=**::{name}" for name in ("cluster", "registry", "registry-server")), config=config)
    for token, name, identity in (
        ("kubernetes:core/v1:Namespace", "registry-server-namespace", "docker-registry"),
        ("kubernetes:core/v1:PersistentVolumeClaim", "registry-server-claim", CLAIM),
    ):
        program.run(
            *("import", "--yes", "--skip-preview", "--generate-code=false", "--protect=false"),
            *("--parent", f"server={urn(program, 'registry-server')}"),
            *("--provider", f"cluster={urn(program, 'cluster')}"),
            *(token, name, identity),
            config=config,
        )
    objects = ("deployment/registry", "service/registry-service", "secret/docker-registry-tls-cert")
    # The lab's image has no `chown`, which the page runs in the pod.
    node = program.kubectl(*NAMESPACE, "get", "pod", "-o", "jsonpath={.items[0].spec.nodeName}")
    volume = program.kubectl("get", "pv", "-o", "jsonpath={.items[0].spec.hostPath.path}{.items[0].spec.local.path}")
    program.machines[node].run(["chown", "-R", "1000:1000", volume])
    program.kubectl(*NAMESPACE, "delete", *objects)
    assert "replace" not in program.planned(config).values()
    said = program.up(config=config).text

    assert "found the guide's certificate on control01, cube01, cube02" in said
    assert program.outputs()["verifiedNodes"] == sorted(program.machines)
    for name, machine in program.machines.items():
        assert containing(machine, [secret]) == []
        assert deployed.run_pod(name, image) == f"hello from {name}\n", "the images are the ones of before"
    program.up()
    assert program.planned(program.configuration()) == {}
    program.run("destroy", "--yes", "--skip-preview")
    for name, machine in program.machines.items():
        assert machine.path("/etc/rancher/k3s/registries.yaml").read_text() == REGISTRIES_YAML
        assert machine.path("/etc/hosts").read_text() == files[name]
