"""RotationGuard: refuses changes of authorities during which pulls would fail.

The configuration does not show what exists, and the program cannot read its own state. But before the engine creates a
resource, a replacement included, it calls that resource's `before_create` hook, in a preview too.
"""

from collections.abc import Collection, Mapping

import pulumi

from components.certificates.bundle import fingerprints
from components.certificates.plan import CertificatePlan


class RotationGuard:
    """Knows which certificates this `up` will create, and so which issuer and which change of trust are too early."""

    def __init__(self, plan: CertificatePlan, *, server_certificate: str) -> None:
        """`server_certificate` is the resource name of the certificate that the registry serves."""
        self._plan = plan
        self._server_certificate = server_certificate
        self._created: set[str] = set()
        self._issuer_fingerprints: frozenset[str] = frozenset()

    def watch(self, resource_name: str) -> pulumi.ResourceHookBinding:
        """The resource option by which the guard learns that the engine will create the resource of this name."""

        def note(_: pulumi.ResourceHookArgs) -> None:
            self._created.add(resource_name)

        options = pulumi.ResourceHookOptions(on_dry_run=True)
        return pulumi.ResourceHookBinding(before_create=[pulumi.ResourceHook(f"{resource_name}-made", note, options)])

    def will_create(self, resource_name: str) -> bool:
        """Whether this `up` creates the resource: the answer is final once any output of the resource resolves."""
        return resource_name in self._created

    def approve_issuer(
        self, resource_name: str, trusted_pem: pulumi.Output[str], watched: Mapping[str, pulumi.Output[str]]
    ) -> pulumi.Output[None]:
        """Resolves once the issuer may sign, and fails where `refuse_untrusted_issuer` refuses it.

        Args:
            resource_name: the issuer's.
            trusted_pem: the certificate that nodes trust for the issuer.
            watched: an output of the server's request and of each authority, by resource name.

        """

        def judge(resolved: list[object]) -> None:
            pem, *values = resolved
            if isinstance(pem, str):
                self._issuer_fingerprints = frozenset(fingerprints(pem))
            self.refuse_untrusted_issuer(resource_name, dict(zip(watched, values, strict=True)))

        return pulumi.Output.all(trusted_pem, *watched.values()).apply(judge, run_with_unknowns=True)

    def refuse_untrusted_issuer(self, resource_name: str, watched: Mapping[str, object]) -> None:
        """Refuse an issuer that the same `up` creates for a registry that already has nodes.

        There is such a registry if the server's request already exists, or if that is replaced (another curve, another
        name) but some other authority already exists.

        Args:
            resource_name: the issuer's.
            watched: for the server's request and each authority a string, or anything else while the value is unknown.
                A resource that `--target` skips is neither created nor known.

        Raises:
            pulumi.RunError: nodes that trust the former issuer alone would meet a certificate of the new one.

        """
        registry_exists = any(isinstance(value, str) and not self.will_create(name) for name, value in watched.items())
        if self._plan.accept_gap or not registry_exists or not self.will_create(resource_name):
            return
        issuer = self._plan.issuer
        message = (
            f"certificates.issuer: {issuer!r} would be created by this very `up`, so no node trusts it yet; every node "
            "must trust an authority before it signs, or pulls fail until it does; keep the former issuer, add "
            f"{issuer} to certificates.authorities, run `pulumi up`, and switch certificates.issuer to it in the next "
            "`up`; or, where pulls fail anyway because the authority has ended, set certificates.acceptGap to true and "
            "certificates.protect to false for one `up` (docs/operating.md)"
        )
        raise pulumi.RunError(message)

    def gap(self, before: Collection[str], after: Collection[str]) -> str | None:
        """Why pulls would fail on a node if this `up` changed its trust like that, or None if they would not.

        While the registry's certificate changes, some pods still serve the former one, so a node must trust both. A
        node that does not trust the issuer is refused whether or not this `up` issues the certificate: an earlier `up`
        that was refused may have issued it already.

        Args:
            before: fingerprints of the authorities in the node's last trust bundle.
            after: those in its next trust bundle; empty while they are unknown.

        """
        if self._plan.accept_gap:
            return None
        issues = self.will_create(self._server_certificate)
        override = (
            "; or, where the node cannot pull now anyway, as after a rotation that it missed, set "
            "certificates.acceptGap to true for this `up`"
        )
        issuer = self._plan.issuer
        if (issues or self._issuer_fingerprints) and not self._issuer_fingerprints & set(before):
            return (
                f"does not trust authority {issuer} yet, which signs the registry's certificate; "
                "every node must trust an authority before it signs, or pulls fail until it does; keep the former "
                f"certificates.issuer with {issuer} in certificates.authorities for one `up` first{override}"
            )
        if issues and after and not set(before) <= set(after):
            return (
                "would forget an authority in the same `up` that changes the registry's certificate, while some pods "
                "still serve the former one; keep all of certificates.authorities for this `up` and drop the old one "
                f"in the next{override}"
            )
        return None
