import base64
import stat
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import ExtendedKeyUsage, SubjectAlternativeName
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.pki import ClusterPki, Pair, issue


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> ClusterPki:
    return ClusterPki.load(tmp_path_factory.mktemp("cluster") / "pki")


def _certificate(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def test_a_cluster_keeps_its_authorities_so_that_a_later_machine_is_trusted(tmp_path: Path) -> None:
    assert ClusterPki.load(tmp_path / "pki") == ClusterPki.load(tmp_path / "pki")


def test_no_key_of_the_cluster_is_readable_by_others(tmp_path: Path) -> None:
    ClusterPki.load(tmp_path / "pki")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "pki").iterdir()}
    assert set(modes.values()) == {0o600}


def test_the_api_servers_certificate_is_valid_for_each_way_of_reaching_it(pki: ClusterPki) -> None:
    certificate = _certificate(pki.server_files()["serving-kube-apiserver.crt"])
    names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    assert {str(address) for address in names.get_values_for_type(x509.IPAddress)} == {
        "10.77.0.11",
        "127.0.0.1",
        "10.43.0.1",
    }
    assert "kubernetes.default.svc.cluster.local" in names.get_values_for_type(x509.DNSName)
    certificate.verify_directly_issued_by(_certificate(pki.server_ca.certificate))


def test_a_kubeconfig_carries_the_user_and_its_groups_in_a_client_certificate(pki: ClusterPki) -> None:
    document = yaml.safe_load(pki.kubeconfig("system:node:cube01", ["system:nodes"]))
    certificate = _certificate(base64.b64decode(document["users"][0]["user"]["client-certificate-data"]))
    subject = certificate.subject
    assert [part.value for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:node:cube01"]
    assert [part.value for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["system:nodes"]
    usage = certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate.verify_directly_issued_by(_certificate(pki.client_ca.certificate))


def test_a_server_certificate_is_no_client_certificate(pki: ClusterPki) -> None:
    pair = issue(pki.server_ca, "some server", names=["10.77.0.11"])
    usage = _certificate(pair.certificate).extensions.get_extension_for_class(ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_the_published_service_account_key_is_that_of_the_private_one(pki: ClusterPki) -> None:
    files = pki.server_files()
    private = load_pem_private_key(files["service.key"], None)
    assert private.public_key() == load_pem_public_key(files["service.pub"])


def test_the_cluster_is_called_lab_as_the_dev_stack_expects(pki: ClusterPki) -> None:
    assert yaml.safe_load(pki.admin())["clusters"][0]["name"] == "lab"


def test_an_authority_with_another_kind_of_key_is_refused(pki: ClusterPki) -> None:
    ed25519 = (
        b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
        b"-----END PRIVATE KEY-----\n"
    )
    with pytest.raises(TypeError, match="no elliptic curve key"):
        issue(Pair(pki.server_ca.certificate, ed25519), "anybody")
