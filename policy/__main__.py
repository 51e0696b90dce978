"""The policy pack: `pulumi preview --policy-pack policy`, and the same for `up`.

A stack whose images may be lost, such as the lab's, adds `--policy-pack-config policy/lab.json`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import rules  # type: ignore[import-not-found]  # Pulumi runs it here
from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)


def of_each_resource(
    name: str, description: str, rule: Callable[[str, Mapping[str, Any]], Iterator[str]]
) -> ResourceValidationPolicy:
    """A policy that reports what a rule finds in the inputs of a resource."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for sentence in rule(args.resource_type, args.props):
            report(sentence, args.urn)

    return ResourceValidationPolicy(name, description, validate)


def validate_protection(args: StackValidationArgs, report: ReportViolation) -> None:
    """Report each resource that must be protected and is not."""
    for urn, sentence in rules.unprotected(args.resources):
        report(sentence, urn)


PolicyPack(
    "k3s-registry",
    [
        of_each_resource("no-key-to-node", "No private key is sent to a node.", rules.private_keys),
        of_each_resource("host-key-pinned", "Every connection to a node pins the host's key.", rules.unpinned_hosts),
        of_each_resource("image-by-digest", "Every image is pinned by its digest.", rules.unpinned_images),
        StackValidationPolicy(
            "protected", "The claim with the images and the issuing authority are protected.", validate_protection
        ),
    ],
    EnforcementLevel.MANDATORY,
)
