"""What a node must trust while the registry's certificate changes: told by the fingerprints in its own text."""

from components.config.parse import parse
from components.nodes.trust import stdin, told_fingerprints
from tests.authority import new_authority

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9vzGeAGyDClVeJUe+UJ7C8zs5ip6h6jVzyj9/dcx4R"
CONFIG = {"hostname": "r.local", "ip": "10.0.0.2", "nodes": {"cube01": {"host": "10.0.0.3", "hostKey": HOST_KEY}}}


def told(*pems: str) -> dict[str, str]:
    config = parse(CONFIG)
    return {"stdin": stdin(config.nodes[0], config, "".join(pems))}


def test_the_fingerprints_of_every_authority_are_found_in_a_nodes_text() -> None:
    one, two = new_authority(), new_authority()
    assert told_fingerprints(told(one.pem)) == {one.fingerprint}
    assert told_fingerprints(told(one.pem, two.pem)) == {one.fingerprint, two.fingerprint}


def test_a_text_that_is_not_known_yet_tells_nothing() -> None:
    assert told_fingerprints(None) == told_fingerprints({}) == told_fingerprints({"stdin": object()}) == frozenset()
