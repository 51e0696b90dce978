import base64
import ipaddress

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from lab.host_keys import host_key_line, host_key_pem
from lab.settings import MAX_MACHINES, NETWORK, PROJECT, Lab, LabError, MachineName

EVERY_PLACE = [MachineName(index) for index in range(MAX_MACHINES)]


def test_the_first_machines_are_named_and_addressed_as_the_dev_stack_says() -> None:
    assert [(place.name, place.address) for place in EVERY_PLACE[:4]] == [
        ("control01", "10.77.0.11"),
        ("cube01", "10.77.0.12"),
        ("cube02", "10.77.0.13"),
        ("cube03", "10.77.0.14"),
    ]


def test_a_name_leads_back_to_its_place() -> None:
    assert [MachineName.parse(place.name) for place in EVERY_PLACE] == EVERY_PLACE


@pytest.mark.parametrize("name", ["control02", "cube00", "cube1", "cube20", "cube01 ", "", "../cube01"])
def test_a_name_that_no_machine_has_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="a lab's machines are"):
        MachineName.parse(name)


def test_no_machine_has_an_address_of_the_load_balancer_or_another_machine() -> None:
    addresses = {ipaddress.IPv4Address(place.address) for place in EVERY_PLACE}
    assert len(addresses) == MAX_MACHINES
    assert all(address in NETWORK for address in addresses)
    assert max(addresses) < ipaddress.IPv4Address("10.77.0.200")


@pytest.mark.parametrize("name", ["", "A", "a-b", "1a", "a/b", "a" * 16, "..", "a b"])
def test_a_lab_name_that_could_claim_another_labs_parts_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="lab name"):
        Lab(name)


def test_two_labs_share_no_namespace_and_no_folder() -> None:
    one, other = Lab("a"), Lab("ab")
    assert not other.lan_namespace.startswith(one.namespace_prefix)
    assert one.state != other.state


def test_the_published_host_keys_are_those_that_machines_get() -> None:
    for place in EVERY_PLACE:
        private = load_ssh_private_key(host_key_pem(place), None)
        assert isinstance(private, Ed25519PrivateKey)
        assert private.public_key() == load_ssh_public_key(host_key_line(place).encode())


def test_the_dev_stack_pins_the_host_keys_of_the_labs_machines() -> None:
    nodes = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())["config"]["k3s-registry:nodes"]
    assert {name: (node["host"], node["hostKey"]) for name, node in nodes.items()} == {
        place.name: (place.address, host_key_line(place)) for place in EVERY_PLACE[:3]
    }


def test_the_dev_stack_reaches_each_machine_as_the_user_of_its_kind() -> None:
    config = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())["config"]
    usual = config["k3s-registry:ssh"]["user"]
    users = {name: node.get("user", usual) for name, node in config["k3s-registry:nodes"].items()}
    assert users == {place.name: place.kind.user for place in EVERY_PLACE[:3]}


def test_no_two_machines_have_the_same_host_key() -> None:
    keys = {base64.b64decode(host_key_line(place).split()[1]) for place in EVERY_PLACE}
    assert len(keys) == MAX_MACHINES
