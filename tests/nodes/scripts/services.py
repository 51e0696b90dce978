"""K3s as a service of a node in a temporary root: units as its installer writes them, and how it is restarted."""

import json
from collections.abc import Mapping, Sequence

from components.nodes.script import TRUST_WITH_RESTART
from tests.nodes.scripts.node import CERTS, CONFIG, Node, executable

SYSTEMD = """\
[Unit]
Description=Lightweight Kubernetes
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target

[Install]
WantedBy=multi-user.target

[Service]
Type={kind}
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
EnvironmentFile=-/etc/systemd/system/{name}.service.env
KillMode=process
Delegate=yes
User=root
# Having non-zero Limit*s causes performance problems due to accounting overhead
# in the kernel. We recommend using cgroups to do container-local accounting.
LimitNOFILE=1048576
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/k3s \\
    {command}

"""
OPENRC = """\
#!/sbin/openrc-run

depend() {{
    after network-online
    want cgroups
}}

start_pre() {{
    rm -f /tmp/k3s.*
}}

supervisor=supervise-daemon
name={name}
command="/usr/local/bin/k3s"
command_args="{command}
    >>/var/log/{name}.log 2>&1"

output_log=/var/log/{name}.log
error_log=/var/log/{name}.log

pidfile="/var/run/{name}.pid"
respawn_delay=5
respawn_max=0

set -o allexport
if [ -f /etc/environment ]; then . /etc/environment; fi
if [ -f /etc/rancher/k3s/{name}.env ]; then . /etc/rancher/k3s/{name}.env; fi
set +o allexport
"""
ANEW = f"""\
version = 3
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = "{CERTS}"
"""
STALE = "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n"
"""The configuration that K3s before 1.26.13 wrote, and that no later start has replaced."""

NOW = "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
RENEWED = "$(date -u +%Y-%m-%dT%H:%M:%S.123456Z)"

# `starts` is what a start of K3s does, `states` what the API server reports of the node.
RESTARTER = """\
#!/bin/sh
root={root}
case " $*" in
*' is-active '*) echo activating && exit 3 ;;
*' status') exit 3 ;;
*' restart'*) echo "$*" >>"$root/restarts"; . "$root/starts" ;;
esac
"""
DETACHER = """\
#!/bin/sh
echo "$*" >>'{root}/detached'
shift
setsid "$@" &
"""
K3S = """\
#!/bin/sh
root={root}
case $1 in
--version) echo 'k3s version v1.34.4+k3s1 (abcdef)' ;;
kubectl) echo "$*" >>"$root/asked"; . "$root/states" ;;
esac
"""


def installed(command: str, *flags: str) -> str:
    """A command line as the installer breaks and quotes it."""
    quoted = ["'" + flag.replace("'", "'\\''") + "'" for flag in flags]
    return " \\\n".join([command, *(f"\t{flag}" for flag in quoted)]) + " \\"


def systemd(node: Node, name: str = "k3s-agent", command: str = "agent", flags: Sequence[str] = ()) -> None:
    """Install K3s as a systemd service."""
    node.write(
        f"/etc/systemd/system/{name}.service",
        SYSTEMD.format(name=name, kind="notify" if command == "server" else "exec", command=installed(command, *flags)),
    )
    node.write(f"/etc/systemd/system/{name}.service.env", "K3S_TOKEN='hunter2'\nK3S_URL='https://10.77.0.11:6443'\n")


def openrc(node: Node, name: str = "k3s-agent", command: str = "agent", flags: Sequence[str] = ()) -> None:
    """Install K3s as an OpenRC service."""
    text = installed(command, *flags).replace('"', '\\"')
    node.write(f"/etc/init.d/{name}", OPENRC.format(name=name, command=text), 0o755)
    node.write(f"/etc/rancher/k3s/{name}.env", "K3S_TOKEN='hunter2'\n")


def restartable(node: Node) -> None:
    """A node whose containerd has no config_path, which a restart of K3s corrects."""
    node.write(CONFIG, STALE, 0o600)
    quoted = f"'{node.root}'"
    for program in ("systemctl", "rc-service"):
        executable(node.root / "usr/sbin" / program, RESTARTER.format(root=quoted))
    executable(node.root / "usr/sbin/systemd-run", DETACHER.format(root=node.root))
    executable(node.root / "usr/local/bin/k3s", K3S.format(root=quoted))
    node.write("/anew", ANEW)
    starts(node, f'cat "$root/anew" >"$root{CONFIG}"')
    states(node, f'echo "True {NOW} {RENEWED}"')
    node.script = TRUST_WITH_RESTART
    node.settings["rollout"] = "serial"
    node.settings["ready_seconds"] = "30"


def starts(node: Node, script: str) -> None:
    """Set what a start of K3s does from now on."""
    node.write("/starts", script + "\n")


def states(node: Node, script: str) -> None:
    """Set what the API server reports of the node from now on."""
    node.write("/states", script + "\n")


def restarts(node: Node) -> list[str]:
    """Every restart of the service so far."""
    path = node.root / "restarts"
    return path.read_text().splitlines() if path.exists() else []


def running(node: Node, *data_dirs: str) -> None:
    """Let the process table show running containerds of K3s, one for each data-dir."""
    for number, data in enumerate(data_dirs, 100):
        config = f"{data}/agent/etc/containerd/config.toml"
        arguments = ("containerd", "-c", config, "-a", "/run/k3s/containerd/containerd.sock", "")
        node.write(f"/proc/{number}/cmdline", "\0".join(arguments))


SECRETS = {"-t", "--token", "--agent-token", "--datastore-endpoint", "--etcd-s3-secret-key", "K3S_TOKEN"}
"""Flags and variables whose value K3s does not note; not all of them."""
OMITTED = "********"


def noted(*words: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The notes that K3s leaves on its node, by the words of its command line; those of its configuration are in it.

    It splits `--flag=value` but not `-f=value`, leaves out the value after a secret flag, and of its environment notes
    the variables that begin with `K3S_`.
    """
    parts = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    arguments = [OMITTED if flag in SECRETS else part for flag, part in zip(["", *parts], parts, strict=False)]
    own = {name: value for name, value in sorted((environment or {}).items()) if name.startswith("K3S_")}
    variables = {name: OMITTED if name in SECRETS else value for name, value in own.items()}
    return {"k3s.io/node-args": go_json(arguments), "k3s.io/node-env": go_json(variables)}


def go_json(value: object) -> str:
    """JSON as Go's encoder writes it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


ANSWERING = """\
#!/bin/sh
case "$*" in
--version) echo 'k3s version v1.34.4+k3s1 (abcdef)' ;;
*' --kubeconfig '{root}{data}'/agent/kubelet.kubeconfig '*' auth whoami '*) printf %s 'system:node:{name}' ;;
*' get node {name} '*'{{.metadata.annotations.k3s\\.io/node-args}}'*) printf %s '{arguments}' ;;
*' get node {name} '*'{{.metadata.annotations.k3s\\.io/node-env}}'*) printf %s '{environment}' ;;
*) echo 'Error from server (Forbidden)' >&2 && exit 1 ;;
esac
"""


def answering(
    node: Node, data: str, *words: str, name: str = "cube01", environment: Mapping[str, str] | None = None
) -> None:
    """Have a K3s run that was started with these words, and an API server that shows what K3s noted on its node."""
    running(node, data)
    notes = noted(*words, environment=environment)
    script = ANSWERING.format(
        root=node.root,
        data=data.replace(" ", "' '"),
        name=name,
        arguments=notes["k3s.io/node-args"].replace("'", "'\\''"),
        environment=notes["k3s.io/node-env"].replace("'", "'\\''"),
    )
    executable(node.root / "usr/local/bin/k3s", script)
