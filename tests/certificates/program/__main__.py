"""The program's certificates without cluster and nodes, from the same configuration."""

import pulumi

from components import config_source
from components.certificates import Certificates, CertificatesArgs
from components.registry_address import service_names

config = config_source.read()
certificates = Certificates(
    "registry-certificates",
    CertificatesArgs(
        hostname=config.hostname,
        dns_names=(config.hostname, *config.aliases, *service_names(config.namespace)),
        address=config.address,
        plan=config.certificates,
        external_key_pem=config_source.secret("caPrivateKey"),
    ),
)
pulumi.export("bundle", certificates.bundle_pem)
pulumi.export("issuer", certificates.issuer_pem)
pulumi.export("server", certificates.server_certificate_pem)
pulumi.export("serverKey", certificates.server_key_pem)
pulumi.export("caNotAfter", certificates.issuer_not_after)
pulumi.export("serverNotAfter", certificates.server_not_after)
