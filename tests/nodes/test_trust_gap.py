"""The trust of a node, as the fingerprints in its own standard input announce it."""

from components.config.parse import parse
from components.nodes.trust import announced_fingerprints, stdin
from tests.authority import new_authority

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9vzGeAGyDClVeJUe+UJ7C8zs5ip6h6jVzyj9/dcx4R"
CONFIG = {"hostname": "r.local", "ip": "10.0.0.2", "nodes": {"cube01": {"host": "10.0.0.3", "hostKey": HOST_KEY}}}


def command_inputs(*pems: str) -> dict[str, str]:
    config = parse(CONFIG)
    return {"stdin": stdin(config.nodes[0], config, "".join(pems))}


def test_every_fingerprint_is_found_in_a_nodes_standard_input() -> None:
    one, two = new_authority(), new_authority()
    assert announced_fingerprints(command_inputs(one.pem)) == {one.fingerprint}
    assert announced_fingerprints(command_inputs(one.pem, two.pem)) == {one.fingerprint, two.fingerprint}


def test_an_unknown_standard_input_yields_no_fingerprints() -> None:
    assert (
        announced_fingerprints(None)
        == announced_fingerprints({})
        == announced_fingerprints({"stdin": object()})
        == frozenset()
    )
