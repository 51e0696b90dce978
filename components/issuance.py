"""Issuance: which certificates this `up` makes, learnt from the engine as it goes to make them.

The configuration does not say what is in force, and the program cannot read its own state: but the engine tells, in a
preview too, before it creates a resource, a replacement included.
"""

import pulumi


class Issuance:
    """What is about to be made, by resource name. Complete for a resource as soon as one of its outputs is there."""

    def __init__(self) -> None:
        self._made: set[str] = set()

    def watch(self, resource: str) -> pulumi.ResourceHookBinding:
        """The option that has `resource` watched."""

        def note(_: pulumi.ResourceHookArgs) -> None:
            self._made.add(resource)

        options = pulumi.ResourceHookOptions(on_dry_run=True)
        return pulumi.ResourceHookBinding(before_create=[pulumi.ResourceHook(f"{resource}-made", note, options)])

    def makes(self, resource: str) -> bool:
        """Whether this `up` makes it."""
        return resource in self._made
