"""The port that the nodes have to themselves, as it is rendered, and the previews in which a node would miss it."""

import tomllib

import pytest
import yaml

from components.config.auth import AuthSettings
from components.config.parse import parse
from components.nodes.files import CA_FILE, configs_entry, hosts_toml, mirrors_entry, pull_hosts_toml
from components.nodes.pull_port import announced_port, closed_door
from components.nodes.trust import stdin
from tests.config.stack_configs import SMALLEST

CLOSED = AuthSettings.model_validate({"users": {"alice": "word"}})
OPEN = AuthSettings.model_validate({"users": {"alice": "word"}, "anonymous": True})
CONFIG = parse({**SMALLEST, "auth": {"users": {"alice": "word"}}}, encrypted=["auth"])
CLIENT = ["@data-dir@/agent/client-kubelet.crt", "@data-dir@/agent/client-kubelet.key"]


def test_images_keep_their_name_and_come_from_the_nodes_port() -> None:
    assert yaml.safe_load(mirrors_entry("r:5000", "r:5002")) == {"r:5000": {"endpoint": ["https://r:5002"]}}
    parsed = tomllib.loads(hosts_toml("r:5000", "r:5002"))
    assert parsed["server"] == "https://r:5000/v2"
    assert "client" not in parsed
    assert parsed["host"] == {
        "https://r:5002/v2": {"capabilities": ["pull", "resolve"], "ca": [CA_FILE], "client": [CLIENT]}
    }


def test_the_nodes_port_itself_has_the_nodes_certificate_and_nowhere_else_to_ask() -> None:
    [tls] = [entry["tls"] for entry in yaml.safe_load(configs_entry("r:5002", identity=True)).values()]
    assert tls == {"ca_file": CA_FILE, "cert_file": CLIENT[0], "key_file": CLIENT[1]}
    parsed = tomllib.loads(pull_hosts_toml("r:5002"))
    assert (parsed["server"], parsed["client"], parsed["host"]) == ("https://r:5002/v2", [CLIENT], {})


def test_a_nodes_standard_input_announces_its_port() -> None:
    assert announced_port({"stdin": stdin(CONFIG.nodes[0], CONFIG, "")}) == 5002
    open_to_all = parse(SMALLEST)
    assert announced_port({"stdin": stdin(open_to_all.nodes[0], open_to_all, "")}) is None
    assert announced_port(None) is announced_port({"stdin": object()}) is None


def test_no_password_reaches_a_node() -> None:
    assert "alice" not in stdin(CONFIG.nodes[0], CONFIG, "")


@pytest.mark.parametrize(
    ("before", "auth", "closes", "refused"),
    [
        (None, CLOSED, True, True),  # it missed the step in which the port was announced
        (5002, CLOSED, True, False),
        (None, CLOSED, False, False),  # it was off then, and cannot pull in any case
        (5003, CLOSED, False, True),
        (5003, OPEN, False, False),
        (None, OPEN, False, False),
    ],
)
def test_a_node_is_not_sent_to_a_closed_door(
    before: int | None, auth: AuthSettings, *, closes: bool, refused: bool
) -> None:
    reason = closed_door(before, auth, closes=closes)
    assert (reason is not None) is refused
    assert reason is None or "set auth.anonymous to true" in reason
