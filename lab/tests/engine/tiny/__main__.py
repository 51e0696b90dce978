"""An authority with a certificate, a remote command and a local one; the tests change it through config keys."""

from collections.abc import Sequence

import pulumi
import pulumi_command as command
import pulumi_tls as tls

config = pulumi.Config()


def quiet_hook(args: pulumi.ErrorHookArgs) -> bool:
    """Log which resource failed and why, without a retry."""
    pulumi.log.warn(f"hook: {args.name} failed to {args.failed_operation}: {args.errors[0].splitlines()[0]}")
    return False


def certificates() -> pulumi.Output[str]:
    """A server certificate of an authority of its own."""
    authority_key = tls.PrivateKey("authority", algorithm="ECDSA", ecdsa_curve="P256")
    authority = tls.SelfSignedCert(
        "authority",
        private_key_pem=authority_key.private_key_pem,
        allowed_uses=["cert_signing", "crl_signing"],
        validity_period_hours=1000,
        is_ca_certificate=True,
        subject=tls.SelfSignedCertSubjectArgs(common_name="tiny"),
    )
    server_key = tls.PrivateKey("server", algorithm="RSA")
    request = tls.CertRequest("server", private_key_pem=server_key.private_key_pem, dns_names=["registry.cube.local"])
    server = tls.LocallySignedCert(
        "server",
        ca_cert_pem=authority.cert_pem,
        ca_private_key_pem=authority_key.private_key_pem,
        cert_request_pem=request.cert_request_pem,
        allowed_uses=config.get_object("uses", ["server_auth"]),
        validity_period_hours=100,
        early_renewal_hours=20,
    )
    return server.cert_pem


def remote(options: Sequence[pulumi.ResourceOptions] = ()) -> command.remote.Command:
    """A command on the test's SSH server."""
    hook = pulumi.ErrorHook("quiet", quiet_hook)
    merged = pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(on_error=[hook]))
    for more in options:
        merged = pulumi.ResourceOptions.merge(merged, more)
    return command.remote.Command(
        "remote",
        connection=command.remote.ConnectionArgs(
            host="127.0.0.1",
            port=config.require_int("port"),
            host_key=config.require("hostKey"),
            private_key=config.require_secret("sshPrivateKey"),
            dial_error_limit=0,
            per_dial_timeout=3,
        ),
        create=config.get("create") or "cat",
        update=config.get("update"),
        delete="cat >> $RECORD",
        stdin=config.get("stdin") or "stdin\n",
        triggers=[config.get("trigger") or "1"],
        logging=command.remote.Logging.NONE,
        add_previous_output_in_env=False,
        opts=merged,
    )


def options() -> list[pulumi.ResourceOptions]:
    """The resource options that a test asks for."""
    asked = []
    if config.get_bool("offline"):
        ignored = ["connection", "create", "stdin", "delete"]
        asked.append(pulumi.ResourceOptions(ignore_changes=ignored, retain_on_delete=True))
    if config.get("host"):
        asked.append(pulumi.ResourceOptions(replacement_trigger=config.require("host"), delete_before_replace=True))
    return asked


pulumi.export("certificate", certificates())
if not config.get_bool("dropped"):
    pulumi.export("remote", remote(options()).stdout)
pulumi.export("local", command.local.Command("local", create="echo a line of the local command").stdout)
