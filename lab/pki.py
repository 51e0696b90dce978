"""The keys of a lab: the machines' published SSH host keys; the cluster's authorities, certificates and kubeconfigs."""

import base64
import datetime as dt
import ipaddress
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.settings import API_SERVICE, MachineName

YEARS = dt.timedelta(days=3650)
# Certificates begin early because the host's clock, which machines share, may be set back later.
BACKDATE = dt.timedelta(hours=1)
SERVER = MachineName(0)
API_URL = f"https://{SERVER.address}:6443"


def host_key(place: MachineName) -> Ed25519PrivateKey:
    """The machine's published, throwaway SSH host key, derived from the machine's name."""
    return Ed25519PrivateKey.from_private_bytes(place.host_key_seed)


def host_key_pem(place: MachineName) -> bytes:
    """The host key as sshd reads it."""
    return host_key(place).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def host_key_line(place: MachineName) -> str:
    """The public host key in the form of known_hosts and `nodes.NAME.hostKey`: `ssh-ed25519 AAAA...`."""
    public = host_key(place).public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _name(common: str, groups: Sequence[str] = ()) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + YEARS)
    )


def make_authority(common: str) -> Pair:
    """A new certificate authority that may sign leaf certificates only."""
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(_name(common), _name(common), key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def issue(authority: Pair, common: str, *, groups: Sequence[str] = (), names: Sequence[str] = ()) -> Pair:
    """A new certificate from `authority`: for a server when it has `names` (DNS or address), else for a client."""
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    signer = serialization.load_pem_private_key(authority.key, None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        message = "the authority's key is no elliptic curve key"
        raise TypeError(message)
    key = ec.generate_private_key(ec.SECP256R1())
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(_name(common, groups), issuer.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    certificate = builder.sign(signer, hashes.SHA256())
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True, slots=True)
class ClusterPki:
    """The authorities and the service account key of a lab's cluster; leaf certificates are issued on demand."""

    server_ca: Pair
    client_ca: Pair
    service_key: bytes

    @classmethod
    def load(cls, folder: Path) -> "ClusterPki":
        """Read the cluster's authorities from `folder`, creating them first where it does not exist."""
        names = ("server-ca.crt", "server-ca.key", "client-ca.crt", "client-ca.key", "service.key")
        if not folder.exists():
            server, client = make_authority("k3s-server-ca"), make_authority("k3s-client-ca")
            service = _key_pem(ec.generate_private_key(ec.SECP256R1()))
            contents = (server.certificate, server.key, client.certificate, client.key, service)
            folder.parent.mkdir(parents=True, exist_ok=True)
            # They appear all at once: an interrupted start must not leave an incomplete set.
            beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            for name, content in zip(names, contents, strict=True):
                (beside / name).touch(mode=0o600)
                (beside / name).write_bytes(content)
            beside.rename(folder)
        server_crt, server_key, client_crt, client_key, service = ((folder / name).read_bytes() for name in names)
        return cls(Pair(server_crt, server_key), Pair(client_crt, client_key), service)

    def kubeconfig(self, user: str, groups: Sequence[str] = (), *, server: str = API_URL) -> str:
        """A kubeconfig with a new certificate for `user`, everything embedded."""
        pair = issue(self.client_ca, user, groups=groups)

        def embedded(pem: bytes) -> str:
            return base64.b64encode(pem).decode()

        cluster = {"server": server, "certificate-authority-data": embedded(self.server_ca.certificate)}
        identity = {"client-certificate-data": embedded(pair.certificate), "client-key-data": embedded(pair.key)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": "lab", "user": identity}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
            "current-context": "lab",
        }
        return yaml.safe_dump(document, sort_keys=False)

    def admin(self, *, server: str = API_URL) -> str:
        """The kubeconfig of the cluster's administrator."""
        return self.kubeconfig("system:admin", ["system:masters"], server=server)

    def server_files(self) -> dict[str, bytes]:
        """The server's files below `server/tls`, by name."""
        names = [
            SERVER.address,
            "127.0.0.1",
            API_SERVICE,
            "localhost",
            SERVER.name,
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ]
        serving = issue(self.server_ca, "kube-apiserver", names=names)
        client = issue(self.client_ca, "system:apiserver", groups=["system:masters"])
        public = serialization.load_pem_private_key(self.service_key, None).public_key()
        return {
            "server-ca.crt": self.server_ca.certificate,
            "server-ca.key": self.server_ca.key,
            "client-ca.crt": self.client_ca.certificate,
            "client-ca.key": self.client_ca.key,
            "serving-kube-apiserver.crt": serving.certificate,
            "serving-kube-apiserver.key": serving.key,
            "client-kube-apiserver.crt": client.certificate,
            "client-kube-apiserver.key": client.key,
            "service.key": self.service_key,
            "service.pub": public.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
        }
