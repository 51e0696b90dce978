from typing import Any

import pytest

from components.config.parse import ConfigError, parse
from tests.config.stack_configs import ED25519, RSA, SMALLEST, problems, with_value


def test_three_keys_are_enough() -> None:
    config = parse(SMALLEST)
    assert (config.hostname, config.port, config.nodes[0].name) == ("registry.cube.local", 5000, "cube01")


def test_the_smallest_configuration_is_the_guides() -> None:
    config = parse(SMALLEST)
    assert config.namespace == "docker-registry"
    assert (config.storage.claim_name, config.storage.class_name, config.storage.size) == (
        "longhorn-docker-registry-pvc",
        "longhorn",
        "15Gi",
    )
    assert config.node_selector == {"node-type": "worker"}


def test_a_server_certificate_lives_at_most_half_its_authoritys_life() -> None:
    """By default; a short-lived authority would otherwise need its successor from the first day on."""
    plan = parse(with_value("certificates.authorityYears", 1)).certificates
    assert plan.server_days == 182


def test_the_issuer_is_protected_unless_the_stack_says_otherwise() -> None:
    assert parse(SMALLEST).certificates.protect
    assert not parse(with_value("certificates.protect", value=False)).certificates.protect


def test_the_claim_is_protected_unless_the_stack_says_otherwise() -> None:
    assert parse(SMALLEST).storage.protect
    assert not parse(with_value("storage.protect", value=False)).storage.protect


def test_all_problems_come_in_one_error() -> None:
    values = {
        "hostname": "registry cube local",
        "ip": "192.168.0",
        "hostnme": "registry.cube.local",
        "nodes": {
            "cube01": {"host": "192.168.0.11", "hostKey": RSA},
            "cube02": {"host": "192.168.0.11", "hostKey": ED25519},
            "cube03": {"host": "192.168.0.13"},
        },
    }
    found = "\n".join(problems(values))
    for key in ("hostname:", "ip:", "hostnme:", "nodes.cube01.hostKey:", "nodes.cube02.host:", "nodes.cube03.hostKey:"):
        assert key in found, f"{key} must be named beside the others"


def test_the_error_says_that_nothing_was_contacted() -> None:
    with pytest.raises(ConfigError, match="nothing was contacted"):
        parse({})


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("hostname", "", "required"),
        ("hostname", "registry cube", "DNS name"),
        ("hostname", "Registry.cube.local", "lower-case"),
        ("hostname", "registry_1.cube.local", "DNS name"),
        ("hostname", "10.77.0.202", "last label"),
        ("hostname", "localhost", "plain HTTP"),
        ("hostname", "registry.docker-registry.svc", "cluster's own DNS"),
        ("hostname", "a" * 64 + ".local", "63 characters"),
        ("aliases", ["registry", "registry"], "only once"),
        ("aliases", ["registry.cube.local"], "differ from hostname"),
        ("aliases", "registry", "must be a list"),
        ("ip", "192.168.0.300", "IPv4 or IPv6"),
        ("ip", "127.0.0.1", "loopback"),
        ("ip", "192.168.0.11", "one of its own"),
        ("ip", "fd00::1%eth0", "without a zone"),
        ("nodes.cube01.host", "fe80::1%eth0", "without a zone"),
        ("audit", "two\nlines", "one line"),
        ("audit", "x" * 101, "at most 100"),
        ("port", 0, "from 1 to 65535"),
        ("port", "5000", "an integer from 1 to 65535"),
        ("nodes", {}, "at least one node"),
        ("nodes.cube01.host", "root@192.168.0.11", "without user and port"),
        ("nodes.cube01.hostKey", RSA, "SHA-1"),
        ("nodes.cube01.hostKey", "ssh-ed25519", "key in base64"),
        ("nodes.cube01.hostKey", "ssh-ed25519 !!!!", "base64"),
        ("nodes.cube01.hostKey", ED25519[:-8], "cut short"),
        ("nodes.cube01.hostKey", ED25519.replace("ssh-ed25519", "ecdsa-sha2-nistp256"), "type named before it"),
        ("nodes.cube01.offline", "yes", "true or false"),
        ("nodes.cube01.role", "master", "one of server, agent"),
        ("nodes.Cube02", {"host": "192.168.0.12", "hostKey": ED25519}, "DNS name"),
        ("ssh.user", "root; reboot", "login name"),
        ("ssh.dialTries", 0, "from 1 to 20"),
        ("ssh.proxy", {"host": "10.0.0.9"}, "ssh.proxy.hostKey: is missing"),
        ("ssh.proxy", {"hostKey": ED25519}, "ssh.proxy.host: is missing"),
        ("ssh.proxy", {"host": "10.0.0.9", "hostKey": RSA}, "SHA-1"),
        ("ssh.proxy", "10.0.0.9", "must be a mapping"),
        ("namespace", "docker_registry", "lower-case"),
        ("ssh.user", "-oProxyCommand=x", "login name"),
        ("ssh.user", "$(reboot)", "login name"),
        ("ssh.user", "root:secret", "login name"),
        ("ssh.user", "a\u200bb", "login name"),
        ("nodes.cube01.user", "x" * 129, "login name"),
        ("storage.size", "15 GB", "quantity"),
        ("storage.size", "0", "quantity"),
        ("storage.size", "0.0Ti", "quantity"),
        ("storage.size", "1.5.1Ti", "quantity"),
        ("storage.size", ".", "quantity"),
        ("storage.size", "15TiB", "quantity"),
        ("storage.size", "-1Ti", "quantity"),
        ("storage.size", "15m", "quantity"),
        ("storage.clas", "longhorn", "not a key"),
        ("image", "registry 3", "image reference"),
        ("loadBalancer", "haproxy", "metallb, servicelb, none"),
        ("certificates.issuer", "two", "would not trust"),
        ("certificates.authorities", ["two", "one"], "required"),
        ("certificates.serverDays", 398, "from 1 to 397"),
        ("certificates.renewDays", 397, "every `up` would renew"),
        ("certificates", {"authorityYears": 1, "serverDays": 366}, "must not outlive its authority"),
        ("certificates.curve", "P224", "P256, P384"),
        ("certificates.authorities", ["g" * 41], "at most 40"),
        ("certificates.external", "two", "one of certificates.authorities"),
        ("caCertificate", "x", "which of the authorities"),
        ("certificates.protect", "yes", "true or false"),
        ("certificates.names", ["*"], "DNS name"),
        ("certificates.names", ["a.*.local"], "DNS name"),
        ("certificates.names", ["192.168.0.300"], "IP address"),
        ("certificates.names", ["a.local", "a.local"], "only once"),
        ("certificates.names", ["fd00::1", "FD00:0::1"], "only once"),
        ("service.annotations", {"metallb.io/allow shared": "x"}, "name of an annotation"),
        ("service.annotations", {"Metallb.io/x": "x"}, "name of an annotation"),
        ("service.annotations", {"/x": "x"}, "name of an annotation"),
        ("service.annotations", {"metallb.io/x": 1}, "must be a string"),
        ("service.annotations", {"metallb.universe.tf/loadBalancerIPs": "10.0.0.1"}, "comes from ip alone"),
        ("pods.trustBundle", ["Builds"], "lower-case"),
        ("pods.trustBundle", ["builds", "builds"], "only once"),
        ("pods.names", "yes", "true or false"),
        ("nodeSelector.node-type", 1, "must be a string"),
        ("nodeSelector.node-type", "worker node", "value of a label"),
        ("nodeSelector.node type", "worker", "name of a label"),
        ("nodeSelector", {"/node-type": "worker"}, "name of a label"),
        ("ip", "::ffff:192.168.0.202", "the IPv4 address itself"),
        ("unknown", "x", "not a key"),
    ],
)
def test_a_wrong_value_is_refused_with_its_rule(path: str, value: Any, rule: str) -> None:
    [problem] = problems(with_value(path, value))
    assert rule in problem


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(("ssh.user", name) for name in ("john.doe", "CORP\\jdoe", "Admin", "me@corp.local", "müller", "pi$", "_x")),
        *(("storage.size", size) for size in ("15Gi", "1.5Ti", "0.5Ti", ".5Ti", "1.", "15e9", "15E9", "1.5E", "1000")),
        ("certificates.names", ["*.cube.local", "192.168.0.203", "fd00::203", "registry.cube.local"]),
        ("certificates.names", []),
        ("ssh.proxy", {"host": "jump.example", "hostKey": ED25519, "user": "john.doe", "port": 2222}),
        (
            "service.annotations",
            {"metallb.io/allow-shared-ip": "key", "lbipam.cilium.io/x": "x", "plain": ""},
        ),
        ("ip", "fd00::202"),
        ("hostname", "registry"),
        ("image", "registry:2"),
        ("image", "quay.io/org/registry:3.0@sha256:" + "0" * 64),
        ("nodes.cube01.host", "cube01.local"),
        ("nodes.cube01.hostKey", ED25519 + " root@cube01"),
        ("storage.size", "1.5Gi"),
        ("aliases", []),
        ("audit", "2026-01-31"),
        ("nodeSelector", {"node-role.kubernetes.io/worker": ""}),
    ],
)
def test_a_right_value_is_accepted(path: str, value: Any) -> None:
    assert parse(with_value(path, value))


def test_two_nodes_may_share_an_address_behind_different_ports() -> None:
    values = with_value("nodes.cube02", {"host": "192.168.0.11", "port": 2222, "hostKey": ED25519})
    assert len(parse(values).nodes) == 2


def test_two_spellings_of_one_address_are_one_address() -> None:
    values = with_value("nodes.cube01.host", "fd00::1")
    values["nodes"]["cube02"] = {"host": "FD00:0:0::1", "hostKey": ED25519}
    assert "same address" in problems(values)[0]


def test_an_address_is_passed_on_in_its_shortest_form() -> None:
    assert parse(with_value("ip", "FD00:0:0::202")).address == "fd00::202"


@pytest.mark.parametrize(
    ("port", "expected"),
    [(5000, ["registry.cube.local:5000"]), (443, ["registry.cube.local:443", "registry.cube.local"])],
)
def test_images_may_leave_out_port_443_alone(port: int, expected: list[str]) -> None:
    assert list(parse(with_value("port", port)).endpoints) == expected


def test_the_endpoint_is_host_and_port() -> None:
    assert parse(with_value("port", 5001)).endpoint == "registry.cube.local:5001"


def test_the_names_are_the_host_name_and_then_the_aliases() -> None:
    assert parse(with_value("aliases", ["registry"])).names == ("registry.cube.local", "registry")


def test_further_names_and_addresses_are_in_the_certificate_alone() -> None:
    config = parse(with_value("certificates.names", ["*.cube.local", "FD00:0::203"]))
    assert config.names == ("registry.cube.local",)
    assert config.certificate_settings.dns_names == ("*.cube.local",)
    assert config.certificate_settings.addresses == ("fd00::203",)
    assert parse(SMALLEST).certificate_settings.names == ()


def test_a_load_balancer_that_is_not_metallb_may_be_asked_by_an_annotation() -> None:
    values = with_value("service.annotations", {"kube-vip.io/loadbalancerIPs": "192.168.0.202"})
    assert parse({**values, "loadBalancer": "none"}).service.annotations
    assert parse(SMALLEST).service.annotations == {}


def test_a_nodes_own_ssh_settings_win_over_the_stacks() -> None:
    values = with_value("ssh", {"user": "pi", "port": 2222})
    values["nodes"]["cube02"] = {"host": "192.168.0.12", "hostKey": ED25519, "user": "root"}
    first, second = parse(values).nodes
    assert (first.ssh.user, second.ssh.user, second.ssh.port) == ("pi", "root", 2222)


def test_every_node_is_reached_through_the_jump_host_if_there_is_one() -> None:
    assert parse(SMALLEST).nodes[0].ssh.proxy is None
    values = with_value("ssh.proxy", {"host": "JUMP.example", "hostKey": ED25519})
    values["nodes"]["cube01"]["user"] = "pi"
    proxy = parse(values).nodes[0].ssh.proxy
    assert proxy is not None
    assert (proxy.host, proxy.user, proxy.port) == ("jump.example", "root", 22)


def test_a_long_value_is_cut_in_the_error() -> None:
    [problem] = problems(with_value("image", "x y" * 500))
    assert len(problem) < 300
