"""Prometheus's own tool judges the alerts and the dashboard's queries."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.parse import parse
from components.registry.alerts import rules
from components.registry.dashboard import dashboard, expressions
from tests.config.stack_configs import SMALLEST, with_value

PROMTOOL = shutil.which("promtool")
pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="no promtool on PATH; Debian's package prometheus has it")
DAY = 1440
"""Minutes."""
SERVICE = 'namespace="docker-registry",service="registry-metrics"'
CLAIM_NAME = "longhorn-docker-registry-pvc"
CLAIM = f'namespace="docker-registry",persistentvolumeclaim="{CLAIM_NAME}"'


def promtool(*arguments: str, folder: Path) -> str:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def rule_file(tmp_path: Path) -> Path:
    """The rules of a registry: 1970 began 5 days before its proof, 40 and 200 before its certificates end."""
    spec = rules(
        parse(with_value("monitoring.serviceMonitor", value=True)),
        renew_days=30,
        server_not_after="1970-02-10T00:00:00Z",
        issuer_not_after="1970-07-20T00:00:00Z",
        oldest_proof=5 * DAY * 60,
    )
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(spec))
    return path


def check_alert(folder: Path, alert: str, *, at: int, series: list[tuple[str, str]], wanted: bool) -> None:
    """Check whether an alert fires so many minutes after 1970 began."""
    rules_of = yaml.safe_load((folder / "rules.yml").read_text())["groups"][0]["rules"]
    rule = next(one for one in rules_of if one["alert"] == alert)
    labels = {**rule["labels"], **({"persistentvolumeclaim": CLAIM_NAME} if alert == "RegistrySpaceLow" else {})}
    expected: dict[str, Any] = {"exp_labels": labels, "exp_annotations": rule["annotations"]}
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "5m",
        "tests": [
            {
                "interval": "5m",
                "input_series": [{"series": name, "values": values} for name, values in series],
                "alert_rule_test": [
                    {"eval_time": f"{at}m", "alertname": alert, "exp_alerts": [expected] if wanted else []}
                ],
            }
        ],
    }
    (folder / "test.yml").write_text(yaml.safe_dump(test))
    promtool("test", "rules", "test.yml", folder=folder)


def test_prometheus_accepts_the_rules(rule_file: Path) -> None:
    assert "5 rules found" in promtool("check", "rules", rule_file.name, folder=rule_file.parent)


def test_prometheus_accepts_every_query_of_the_dashboard(tmp_path: Path) -> None:
    recorded = [
        {"record": f"query:{index}", "expr": query.replace("$__rate_interval", "5m")}
        for index, query in enumerate(expressions(dashboard(parse(SMALLEST))))
    ]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    promtool("check", "rules", "queries.yml", folder=tmp_path)


@pytest.mark.parametrize(("at", "wanted"), [(24 * DAY, False), (26 * DAY, True)])
def test_a_certificate_that_no_up_renews_is_announced(rule_file: Path, at: int, *, wanted: bool) -> None:
    """An `up` would renew it 30 days before its end; 15 days before it, nobody has run one."""
    check_alert(rule_file.parent, "RegistryCertificateEnds", at=at, series=[], wanted=wanted)


@pytest.mark.parametrize(("at", "wanted"), [(109 * DAY, False), (111 * DAY, True)])
def test_an_authority_is_announced_three_months_before_its_end(rule_file: Path, at: int, *, wanted: bool) -> None:
    check_alert(rule_file.parent, "RegistryAuthorityEnds", at=at, series=[], wanted=wanted)


@pytest.mark.parametrize(("at", "wanted"), [(94 * DAY, False), (96 * DAY, True)])
def test_a_proof_that_no_up_repeats_is_announced(rule_file: Path, at: int, *, wanted: bool) -> None:
    check_alert(rule_file.parent, "RegistryProofOld", at=at, series=[], wanted=wanted)


@pytest.mark.parametrize(
    ("series", "wanted"),
    [
        ([(f"up{{{SERVICE}}}", "1x20")], False),
        ([(f"up{{{SERVICE}}}", "0x20")], True),
        ([], True),
        ([(f'up{{{SERVICE},pod="old"}}', "0x20"), (f'up{{{SERVICE},pod="new"}}', "1x20")], False),
    ],
)
def test_a_registry_that_does_not_answer_is_announced(
    rule_file: Path, series: list[tuple[str, str]], *, wanted: bool
) -> None:
    check_alert(rule_file.parent, "RegistryDown", at=60, series=series, wanted=wanted)


@pytest.mark.parametrize(("free", "wanted"), [(2, False), (1, True)])
def test_a_claim_with_less_than_a_tenth_free_is_announced(rule_file: Path, free: int, *, wanted: bool) -> None:
    series = [
        (f"kubelet_volume_stats_available_bytes{{{CLAIM}}}", f"{free}x20"),
        (f"kubelet_volume_stats_capacity_bytes{{{CLAIM}}}", "15x20"),
    ]
    check_alert(rule_file.parent, "RegistrySpaceLow", at=60, series=series, wanted=wanted)
