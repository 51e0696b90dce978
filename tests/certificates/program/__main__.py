"""The program's certificates without cluster and nodes, from the same configuration."""

import pulumi

from components.certificates.certificates import Certificates, CertificatesArgs
from components.config import source
from components.registry.address import service_names

config = source.read()
certificates = Certificates(
    "registry-certificates",
    CertificatesArgs(
        hostname=config.hostname,
        dns_names=(*config.names, *service_names(config.namespace), *config.certificate_settings.dns_names),
        addresses=(config.address, *config.certificate_settings.addresses),
        plan=config.certificates,
        external_key_pem=source.secret("caPrivateKey"),
    ),
)
pulumi.export("bundle", certificates.bundle_pem)
pulumi.export("issuer", certificates.issuer_pem)
pulumi.export("server", certificates.server_certificate_pem)
# A throwaway key. In the clear, a test reads it from the state like any other output.
pulumi.export("serverKey", pulumi.Output.unsecret(certificates.server_key_pem))
pulumi.export("caNotAfter", certificates.issuer_not_after)
pulumi.export("serverNotAfter", certificates.server_not_after)
