"""The awk programs of the node scripts by themselves: every awk that a node may have gives the same answer."""

import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.nodes.scripts.awk import AWKS, DIRECTORY, Program
from tests.nodes.scripts.node import CONFIGS_ENTRY, MIRRORS_ENTRY, REGISTRY
from tests.nodes.scripts.registries_files import files, heaps

PROGRAMS = sorted(path.name for path in DIRECTORY.glob("*.awk"))
REFUSED = 9
examples = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def registries(verb: str, text: bytes) -> Program:
    return Program(
        ("registries.awk", "registries_ours.awk", "yaml_scan.awk"),
        {
            "verb": verb,
            "endpoints": REGISTRY,
            "made": "# Made by k3s-registry",
            "absent": "",
            "open": "" if text.endswith(b"\n") or not text else "1",
        },
        {
            "file": "/etc/rancher/k3s/registries.yaml",
            "mirrors_entry": MIRRORS_ENTRY,
            "configs_entry": CONFIGS_ENTRY,
        },
    )


def hosts(entry: str, text: bytes) -> Program:
    return Program(("hosts.awk",), {"entry": entry, "open": "" if text.endswith(b"\n") or not text else "1"})


@pytest.fixture(autouse=True, scope="module")
def _every_awk() -> None:
    missing = [name for name in AWKS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")


@examples
@given(files().map(lambda drawn: drawn[1]) | heaps())
def test_every_awk_merges_a_registries_file_alike(text: bytes) -> None:
    status, merged = registries("apply", text).answer(text)
    if status == 0:
        assert registries("remove", merged).answer(merged) == (0, text)
    else:
        assert status == REFUSED
        assert len(merged.splitlines()) == 3, "found, rule and remedy"


@examples
@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
def test_every_awk_judges_bytes_alike(content: bytes) -> None:
    numbers = b"".join(b" %d\n" % byte for byte in content)
    status, _ = Program(("utf8.awk",), environment={"file": "F"}).answer(numbers)
    assert status in {0, REFUSED}
    try:
        content.decode()
    except UnicodeDecodeError:
        assert status == REFUSED


HOSTS_LINES = [
    "",
    "127.0.0.1 localhost",
    "# BEGIN k3s-registry",
    "# END k3s-registry",
    "10.0.0.9 name # BEGIN",
    "%s",
]


@examples
@given(st.lists(st.sampled_from(HOSTS_LINES)), st.sampled_from(["", "\n"]))
def test_every_awk_edits_a_hosts_file_alike(lines: list[str], end: str) -> None:
    text = ("\n".join(lines) + end).encode()
    status, edited = hosts("10.77.0.202 registry.cube.local", text).answer(text)
    if status == 0:
        assert hosts("10.77.0.202 registry.cube.local", edited).answer(edited) == (0, edited)
        assert hosts("", edited).answer(edited)[0] == 0


SERVICE_LINES = [
    "[Service]",
    "# comment",
    "ExecStart=/usr/local/bin/k3s \\",
    "    server \\",
    "\t'--data-dir=/mnt/big disk' \\",
    "ExecStart=",
    "ExecStart=-/usr/local/bin/k3s agent \"-d\" /mnt/'a b'\\ c",
    "Environment=K3S_DATA_DIR=/srv OTHER=1",
    "export K3S_NODE_NAME='cube 01'",
    'command_args="agent \\',
    '    --debug >>/var/log/k3s.log 2>&1"',
]


@examples
@given(st.lists(st.sampled_from(SERVICE_LINES)))
# Each awk walks through an array in an order of its own.
@example([SERVICE_LINES[2], SERVICE_LINES[8], SERVICE_LINES[7]])
def test_every_awk_reads_a_service_alike(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines).encode()
    assert Program(("k3s_words.awk",)).answer(text)[0] == 0


@pytest.mark.parametrize(
    ("program", "text", "expected"),
    [
        (
            Program(("k3s_words.awk",)),
            "ExecStart=/usr/local/bin/k3s server \\\n '--data-dir=/mnt/big disk' -d x\n",
            "server\nserver\n--data-dir\n/mnt/big disk\n--d\nx\n",
        ),
        (
            Program(("config_path.awk",)),
            "[plugins.x.registry]\n config_path = \"/a:/b\"\n[other]\nconfig_path = '/c'\n",
            "/a\n",
        ),
        (Program(("certificate.awk",), {"wanted": "2"}), "", ""),
        (Program(("in_bundle.awk",), {"wanted": "ab"}), "-----BEGIN X-----\na\nb\n-----END X-----\n", ""),
        (
            Program(("hosts_clash.awk",), {"address": "10.0.0.1", "names": " a b "}),
            "10.0.0.1 a\n10.0.0.2 c b # d\n10.0.0.3 a\n",
            "10.0.0.2 c b \n",
        ),
        (
            Program(("mirrored.awk",)),
            'a\n\n[host."https://127.0.0.1:6443/v2"]\n ours = 1\n[host]\nb\n',
            "a\n[host]\nb\n",
        ),
    ],
    ids=lambda value: value.files[0] if isinstance(value, Program) else "",
)
def test_every_awk_gives_the_known_answer(program: Program, text: str, expected: str) -> None:
    assert program.answer(text.encode()) == (0, expected.encode())


def test_a_bundle_is_split_by_number() -> None:
    one, two = (f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n" for body in ("a", "b"))
    for number, expected in (("1", one), ("2", two), ("3", "")):
        program = Program(("certificate.awk",), {"wanted": number})
        assert program.answer((one + two).encode()) == (0, expected.encode())


def test_a_certificate_that_is_not_in_a_bundle_is_not_found() -> None:
    assert Program(("in_bundle.awk",), {"wanted": "ab"}).answer(b"-----BEGIN X-----\na\n-----END X-----\n") == (1, b"")


@pytest.mark.parametrize("name", PROGRAMS)
def test_gawk_warns_of_nothing(name: str) -> None:
    """The programs rely on variables that begin empty, so that warning is excepted."""
    # The parts of one program are judged together.
    parts = list(registries("apply", b"").files)
    if name not in parts:
        parts = [name]
    words = [word for part in parts for word in ("-f", str(DIRECTORY / part))]
    done = subprocess.run(
        ["gawk", "--posix", "--lint", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    warnings = [line for line in done.stderr.splitlines() if line and "uninitialized" not in line]
    assert warnings == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_header_of_a_program_shows_how_to_use_it(name: str) -> None:
    head = (DIRECTORY / name).read_text().splitlines()[:3]
    assert head[0].startswith(f"# {name}: ")
    assert head[2].startswith("# Usage: ")
