"""A registries.yaml that is refused: node, line and remedy, before any change. And users' changes of our entries."""

import pytest

from tests.nodes.scripts.node import REGISTRIES_YAML, REGISTRY, Node
from tests.nodes.scripts.test_trust_moved import elsewhere
from tests.nodes.scripts.test_trust_refusals import assert_refused

YAML = "/etc/rancher/k3s/registries.yaml"
BLOCK = "\n".join(REGISTRIES_YAML.splitlines()[2:7])
FLOW = "flow style (brackets or braces)"
ANCHOR = "an anchor, alias, tag or merge key"
NO_KEY = "something other than a key"
BELOW_EMPTY = "a line below an empty value"
DOCUMENT = "the mark of another document, or a directive,"
OWN = f"an entry for {REGISTRY} that is not marked as ours"
UTF8 = "a byte that is not UTF-8"
CONTROL = "a control character or byte order mark"
OPEN = "a continuation of the quotes or brackets opened in line"
LAST = "\n  # END k3s-registry"
HALF = '"# BEGIN k3s-registry" without END'

CASES: list[tuple[str | bytes, int, str, str]] = [
    ("# c\nmirrors: {a: {}}\n", 2, FLOW, "write one key per line"),
    ("configs: { # mine\n}\n", 1, FLOW, "write one key per line"),
    ("mirrors:\n  {a: {}}\n", 2, FLOW, "write one key per line"),
    ("mirrors: {}\n  a: {}\n", 2, BELOW_EMPTY, "remove that value or the line"),
    ("mirrors: null\n\n  and more\n", 3, BELOW_EMPTY, "remove that value or the line"),
    ("mirrors:\n  ~\n  # c\n  a: {}\n", 4, BELOW_EMPTY, "remove that value or the line"),
    ("{}\nmirrors:\n", 2, BELOW_EMPTY, "remove that value or the line"),
    ("mirrors: {}\nmirrors:\n", 2, 'a second "mirrors:"', "join the two"),
    ('{"mirrors": {}}\n', 1, "JSON", "have the program that writes this file"),
    ('---\n{\n  "mirrors": {}\n}\n', 2, "JSON", "have the program that writes this file"),
    ("mirrors: ~x\n", 1, 'a value beside "mirrors:"', "correct that line"),
    ("mirrors: null# c\n", 1, 'a value beside "mirrors:"', "correct that line"),
    ("mirrors:\n- docker.io\n", 2, NO_KEY, "correct that line"),
    ("mirrors:\n  docker.io\n", 2, NO_KEY, "correct that line"),
    ("- mirrors:\n", 1, NO_KEY, "mapping in block style"),
    ("just text\n", 1, NO_KEY, "mapping in block style"),
    ("? mirrors\n: x\n", 1, NO_KEY, "mapping in block style"),
    ('"mir\\x72ors":\n  a: b\n', 1, NO_KEY, "plain or quoted key"),
    ("mirrors:\n\tdocker.io:\n", 2, "a tab in the indentation", "put spaces in its place"),
    ("mirrors:\n  a:\n  \tb: c\n", 3, "a tab in the indentation", "put spaces in its place"),
    ("mirrors:\n  a: {}\n'mirrors':\n", 3, 'a second "mirrors:"', "join the two"),
    (f"mirrors:\n  {REGISTRY}:\n", 2, OWN, "set takeOver: true"),
    (f"configs:\n  a: {{}}\n  '{REGISTRY}' :\n", 3, OWN, "set takeOver: true"),
    (f'mirrors:\n  "{REGISTRY}": {{endpoint: []}}\n', 2, OWN, "set takeOver: true"),
    (f"configs:\n  {REGISTRY}: {{}}\n  {REGISTRY}: {{}}\n", 2, OWN, "set takeOver: true"),
    ("mirrors: &m\n  a: {}\n", 1, ANCHOR, "write the entries out"),
    ("mirrors: *m\n", 1, ANCHOR, "write the entries out"),
    ("mirrors: !!map\n  a: {}\n", 1, ANCHOR, "write the entries out"),
    ("mirrors:\n  <<: *m\n", 2, ANCHOR, "write the entries out"),
    ("<<: *m\n", 1, ANCHOR, "write the entries out"),
    ("x: &m mirrors\n*m : {}\n", 2, ANCHOR, "write the entries out"),
    ("mirrors:\n---\nconfigs:\n", 2, DOCUMENT, "remove that line"),
    ("---\n---\n", 2, DOCUMENT, "remove that line"),
    ("mirrors:\n...\nconfigs:\n", 3, DOCUMENT, "remove that line"),
    ("mirrors:\n...\n  a: {}\n", 3, DOCUMENT, "remove that line"),
    ("mirrors:\n...\n...\n", 3, DOCUMENT, "remove that line"),
    ("...\nmirrors:\n", 1, DOCUMENT, "remove that line"),
    ("%YAML 1.1\n---\n", 1, DOCUMENT, "remove that line"),
    ("--- {}\n", 1, DOCUMENT, "remove that line"),
    ("  mirrors:\n", 1, "an indented line before any key", "remove the indentation"),
    ("mirrors:\n    a: {}\n  b: {}\n", 3, 'a line indented less than the first one below "mirrors:"', "correct"),
    ('mirrors:\n  a: "x\nconfigs: y"\n', 3, f"{OPEN} 2", "indent it"),
    ("mirrors:\n  a: [x,\n  b]\n", 3, f"{OPEN} 2", "indent it"),
    ("x: {\n}\n", 2, f"{OPEN} 1", "indent it"),
    ("x: 'open\n", 1, "quotes or brackets that are never closed", "close them"),
    (b"# \xff\nmirrors:\n", 1, UTF8, "take that out"),
    (b"a: b\n# \xc3\n", 2, UTF8, "take that out"),
    (b"a: b\n# \xed\xa0\x80\n", 2, UTF8, "take that out"),
    (b"\xef\xbb\xbfmirrors:\n", 1, CONTROL, "take that out"),
    (b"# a\n# \xe2\x80\xa8mirrors:\n", 2, CONTROL, "take that out"),
    (b"# \xc2\x85\n", 1, CONTROL, "take that out"),
    (b"a: b\rmirrors:\n", 1, CONTROL, "take that out"),
    (b"a: \0\n", 1, CONTROL, "take that out"),
    (f"mirrors:\n{BLOCK}".replace(LAST, ""), 2, HALF, "remove what is left of it"),
    (f"mirrors:\n{BLOCK}\n{BLOCK}".replace(LAST, "", 1), 2, HALF, "remove what is left of it"),
    (f"mirrors:\n{BLOCK}".replace("  # END", "  a: {}\n  # END"), 6, "an entry between our BEGIN and END", "move it"),
    (f"mirrors:\n{BLOCK}".replace("  # END", "configs:\n  # END"), 6, "an entry between our BEGIN and END", "move it"),
]


@pytest.mark.parametrize(("content", "line", "found", "remedy"), CASES)
def test_a_file_that_is_not_understood_is_refused(
    node: Node, content: str | bytes, line: int, found: str, remedy: str
) -> None:
    node.write(YAML, content)
    assert_refused(node, f"found {found}", f" in line {line} of {YAML}; ", remedy)
    assert node.run("check").status == 3


@pytest.mark.parametrize(
    "sign",
    [
        "/etc/rancher/agent/config.yaml",
        "/etc/rancher/k3s/config.yaml.d/50-rancher.yaml",
        "/etc/systemd/system/rancher-system-agent.service",
        "/usr/lib/systemd/system/rancher-system-agent.service",
        "/usr/local/lib/systemd/system/rancher-system-agent.service",
    ],
)
@pytest.mark.parametrize("content", [None, '{"mirrors":{"hub.example":{"endpoint":["https://m.example"]}}}'])
def test_a_node_that_rancher_provisions_is_refused(node: Node, sign: str, content: str | None) -> None:
    node.write(sign, "{}\n")
    if content:
        node.write(YAML, content)
    assert_refused(node, f"found {sign}, so Rancher", f"add {REGISTRY} in Rancher", "spec.rkeConfig.registries")


def test_remove_gives_back_a_node_that_rancher_has_taken_over(node: Node) -> None:
    before = node.tree()
    node.run("apply")
    unit = node.write("/etc/systemd/system/rancher-system-agent.service", "")
    assert node.run("remove").status == 0
    for path in (unit, unit.parent, unit.parent.parent):
        path.unlink() if path.is_file() else path.rmdir()
    assert node.tree() == before


def test_no_value_of_a_refused_file_is_shown(node: Node) -> None:
    node.write(YAML, 'configs: {"registry": {"auth": {"password": "hunter2"}}}\n- hunter2\n')
    assert "hunter2" not in node.run("apply").stderr


@pytest.mark.parametrize("damage", [("# END", "# end"), ("  # END", "  docker.io: {}\n  # END")])
def test_remove_refuses_to_remove_what_is_not_ours(node: Node, damage: tuple[str, str]) -> None:
    node.run("apply")
    node.write(YAML, REGISTRIES_YAML.replace(*damage))
    before = node.tree(times=True)
    assert f"of {YAML}" in node.run("remove").sentence
    assert node.tree(times=True) == before


FOREIGN = """\
# mirrors of the house
mirrors:
    # nearest first
    "docker.io":
        endpoint: ["https://mirror"]   # fast
configs:
  mirror: {auth: {username: u, password: hunter2}}
"""


def test_a_file_of_others_gets_our_entries_at_its_own_indentation(node: Node) -> None:
    node.write(YAML, FOREIGN, 0o600)
    before = node.tree()
    assert node.run("apply").stderr == ""
    assert b'mirrors:\n    # BEGIN k3s-registry\n    "registry.cube.local:5000":\n      endpoint:\n' in node.read(YAML)
    assert (node.root / YAML[1:]).stat().st_mode & 0o777 == 0o600
    assert node.run("check").status == 0
    assert node.run("apply").answer["changed"] is False
    node.run("remove")
    assert node.tree() == before


def test_an_entry_that_was_changed_by_hand_is_restored(node: Node) -> None:
    node.write(YAML, FOREIGN)
    node.run("apply")
    wanted = node.read(YAML)
    node.write(YAML, wanted.replace(f"https://{REGISTRY}".encode(), b"http://elsewhere"))
    assert node.run("check").answer == {"drift": ["registries"]}
    assert node.run("apply").answer["what"] == ["registries"]
    assert node.read(YAML) == wanted


def test_a_registry_that_moved_is_found_in_a_file_of_others(node: Node) -> None:
    node.write(YAML, FOREIGN)
    before = node.tree()
    node.run("apply")
    node.run("apply", **elsewhere("images.cube.local:5001", "10.77.0.203", "images.cube.local"))
    assert REGISTRY.encode() not in node.read(YAML)
    assert node.run("remove").status == 0
    assert node.tree() == before


def test_a_users_additions_to_our_file_stay_after_removal(node: Node) -> None:
    node.run("apply")
    end = b"  # END k3s-registry\nconfigs"
    node.write(YAML, node.read(YAML).replace(end, end[:-7] + b"  docker.io: {}\nconfigs"))
    assert node.run("apply").status == 0
    assert node.run("apply").answer["changed"] is False
    node.run("remove")
    assert node.read(YAML) == b"mirrors:\n  docker.io: {}\n"
