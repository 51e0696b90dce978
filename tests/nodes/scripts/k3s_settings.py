"""Services and configurations of K3s as users have them, each with the one right reading."""

from dataclasses import dataclass, field

DATA = "/mnt/ssd/k3s"
REGISTRIES = "/srv/r.yaml"
CONFIG_YAML = "/etc/rancher/k3s/config.yaml"
UNIT = "/etc/systemd/system/k3s.service"
DROP_INS = "systemd/system/k3s.service.d/10-own.conf"
PLAIN = "[Service]\nType=notify\nExecStart=/usr/local/bin/k3s server\n"
SERVER = "[Service]\nExecStart=/usr/local/bin/k3s server"

# The shape of Alpine's package.
ALPINE = """\
#!/sbin/openrc-run
supervisor=supervise-daemon
name="k3s"
command="/usr/bin/k3s"
: ${K3S_EXEC:="server"}
command_args="${K3S_EXEC} ${K3S_OPTS:---log /x}
    >>/var/log/k3s.log 2>&1"
"""
WRAPPED = '[Service]\nExecStart=/bin/bash -c "exec /usr/local/bin/k3s server {} --node-ip=$(cat /etc/ip)"\n'


@dataclass(frozen=True)
class Case:
    """Files of a node, and what K3s makes of them."""

    files: dict[str, str]
    data: str = ""
    registries: str = ""
    refused: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)


def by_config(text: str, **right: str) -> Case:
    return Case({UNIT: PLAIN, CONFIG_YAML: text}, **right)  # type: ignore[arg-type]  # all are strings here


def docker(files: dict[str, str]) -> Case:
    return Case(files, refused=("container runtime 'docker'",))


def unreadable(text: str) -> Case:
    return Case({UNIT: PLAIN, CONFIG_YAML: text}, refused=(CONFIG_YAML, "cannot read for certain"))


def computed(flag: str, shown: str) -> Case:
    return Case({UNIT: WRAPPED.format(flag)}, refused=(f"found private-registry {shown}", "write its whole path"))


CASES = {
    "U01 default unit": Case({UNIT: PLAIN}),
    "U02 data-dir in the unit": Case({UNIT: f"{SERVER} --data-dir {DATA}\n"}, data=DATA),
    "U03 JSON in config.yaml.d": Case(
        {UNIT: PLAIN, f"{CONFIG_YAML}.d/50-tool.yaml": f'{{\n  "data-dir": "{DATA}",\n  "tls-san": ["a"]\n}}\n'},
        data=DATA,
    ),
    "U04 K1 JSON on one line": by_config(f'{{"private-registry": "{REGISTRIES}"}}', registries=REGISTRIES),
    "K1 JSON, data-dir": by_config(f'{{"write-kubeconfig-mode":"0644","data-dir":"{DATA}"}}', data=DATA),
    "U05 document mark and quotes": by_config(f'---\n"data-dir": "{DATA}"\n', data=DATA),
    "K2 JSON over lines": by_config(f'{{\n  "private-registry": "{REGISTRIES}"\n}}\n', registries=REGISTRIES),
    "K2 flow style": by_config(f"{{private-registry: {REGISTRIES}, tls-san: [a, b]}}\n", registries=REGISTRIES),
    "K2 one-letter key": by_config(f"d: {DATA}\n", data=DATA),
    "U07 indented by two": by_config(f"  token: x\n  data-dir: {DATA}\n  tls-san:\n    - a\n", data=DATA),
    "U08 CRLF": by_config(f"data-dir: {DATA}\r\ndebug: true\r\n", data=DATA),
    "value on the next line": by_config(f"private-registry:\n  {REGISTRIES}\n", registries=REGISTRIES),
    "lists at the margin": by_config(f"tls-san:\n- a\n- b: c\ndata-dir: {DATA} # the SSD\n", data=DATA),
    "a byte order mark": by_config(f"\ufeffdata-dir: {DATA}\n", data=DATA),
    "null is unset": by_config("data-dir: ~\nprivate-registry: null\n"),
    "the last file wins": Case(
        {
            UNIT: PLAIN,
            CONFIG_YAML: "data-dir: /mnt/first\n",
            f"{CONFIG_YAML}.d/10.yaml": '{"data-dir": "/mnt/second"}',
            f"{CONFIG_YAML}.d/20.yml": f"data-dir: {DATA}\n",
        },
        data=DATA,
    ),
    "U10 Alpine's conf.d": Case(
        {"/etc/init.d/k3s": ALPINE, "/etc/conf.d/k3s": f'K3S_OPTS="--data-dir {DATA}"\n'}, data=DATA
    ),
    "U12 Alpine's conf.d, docker": docker({"/etc/init.d/k3s": ALPINE, "/etc/conf.d/k3s": 'K3S_OPTS="--docker"\n'}),
    "Alpine's conf.d, agent": Case(
        {"/etc/init.d/k3s": ALPINE, "/etc/conf.d/k3s": 'export K3S_EXEC="agent"\n'},
        refused=("K3s as agent",),
        settings={"role": "server"},
    ),
    "U13 packaged unit, data-dir": Case({"/usr/lib/systemd/system/k3s.service": f"{SERVER} -d {DATA}\n"}, data=DATA),
    "U14 K4 packaged unit": Case(
        {"/usr/lib/systemd/system/k3s.service": f"{SERVER} --private-registry {REGISTRIES}\n"}, registries=REGISTRIES
    ),
    "U15 packaged unit, docker": docker({"/usr/lib/systemd/system/k3s.service": f"{SERVER} --docker\n"}),
    "U16 unit in /lib": Case({"/lib/systemd/system/k3s.service": f"{SERVER} --data-dir={DATA}\n"}, data=DATA),
    "unit in /run": Case({"/run/systemd/system/k3s.service": f"{SERVER} --data-dir={DATA}\n"}, data=DATA),
    "the unit of the administrator wins": Case(
        {"/usr/lib/systemd/system/k3s.service": f"{SERVER} --data-dir /mnt/unread\n", UNIT: f"{SERVER} -d {DATA}\n"},
        data=DATA,
    ),
    "U17 variable of an environment file": Case(
        {
            UNIT: "[Service]\nEnvironmentFile=-/etc/default/%N\nExecStart=/usr/local/bin/k3s server $K3S_ARGS\n",
            "/etc/default/k3s": f'K3S_ARGS="--data-dir {DATA} --debug"\n',
        },
        data=DATA,
    ),
    "a variable that stays one word": Case(
        {
            UNIT: SERVER + " --data-dir=${D} --debug\n",
            f"/etc/{DROP_INS}": '[Service]\nEnvironment="D=/mnt/big disk"\n',
        },
        data="/mnt/big disk",
    ),
    "U18 K6 shell around K3s": Case({UNIT: WRAPPED.format(f"--data-dir {DATA}")}, data=DATA),
    "K6 shell around K3s, config.yaml": Case(
        {UNIT: WRAPPED.format(""), CONFIG_YAML: f"private-registry: {REGISTRIES}\n"}, registries=REGISTRIES
    ),
    "U19 a unit of another name": Case(
        {"/etc/systemd/system/k3s-node.service": f"[Service]\nExecStart=/usr/local/bin/k3s agent -d {DATA}\n"},
        data=DATA,
    ),
    "U20 an agent under the name k3s": Case(
        {UNIT: "[Service]\nExecStart=/usr/local/bin/k3s agent\n"},
        refused=("K3s as agent",),
        settings={"role": "server"},
    ),
    "U22 K7 docker: True": docker({UNIT: PLAIN, CONFIG_YAML: "docker: True\n"}),
    "docker: yes": docker({UNIT: PLAIN, CONFIG_YAML: "docker: yes\n"}),
    'U23 docker: "true"': docker({UNIT: PLAIN, CONFIG_YAML: 'docker: "true"\n'}),
    "U24 docker in JSON": docker({UNIT: PLAIN, CONFIG_YAML: '{"docker":true}'}),
    "docker: false": by_config("docker: false\n"),
    "U26 private-registry in config.yaml.d": Case(
        {UNIT: PLAIN, f"{CONFIG_YAML}.d/a.yaml": f"private-registry: {REGISTRIES}\n"}, registries=REGISTRIES
    ),
    "U28 a name with %H": Case({UNIT: f"{SERVER} --node-name %H --data-dir {DATA}\n"}, data=DATA),
    "U29 a rest of another installation": Case(
        {
            "/etc/systemd/system/k3s-agent.service": f"[Service]\nExecStart=/usr/local/bin/k3s agent -d {DATA}\n",
            UNIT: PLAIN,
        },
        data=DATA,
    ),
    "U30 an anchor": by_config(f"base: &where {DATA}\ndata-dir: *where\n", data=DATA),
    "U31 a drop-in of the environment": Case(
        {UNIT: PLAIN, f"/etc/{DROP_INS}": f"[Service]\nEnvironment=K3S_DATA_DIR={DATA}\n"}, data=DATA
    ),
    "U32 a drop-in in /run": Case(
        {UNIT: PLAIN, f"/run/{DROP_INS}": f"[Service]\nExecStart=\nExecStart=/usr/local/bin/k3s server -d {DATA}\n"},
        data=DATA,
    ),
    "U32 a drop-in in /usr/lib": Case(
        {UNIT: PLAIN, f"/usr/lib/{DROP_INS}": f"[Service]\nEnvironment=K3S_DATA_DIR={DATA}\n"}, data=DATA
    ),
    "a drop-in hides one of its name": Case(
        {
            UNIT: PLAIN,
            f"/usr/lib/{DROP_INS}": "[Service]\nEnvironment=K3S_DATA_DIR=/mnt/unread\n",
            f"/etc/{DROP_INS}": f"[Service]\nEnvironment=K3S_DATA_DIR={DATA}\n",
        },
        data=DATA,
    ),
    "U34 a space behind the backslash": Case(
        {UNIT: f"{SERVER} \\ \n    --debug\n", CONFIG_YAML: f"d: {DATA}\n"}, data=DATA
    ),
    "U35 a unit in /usr/local/lib": Case(
        {"/usr/local/lib/systemd/system/k3s.service": f"{SERVER} '--private-registry={REGISTRIES}'\n"},
        registries=REGISTRIES,
    ),
    "U36 INSTALL_K3S_NAME": Case({"/etc/systemd/system/k3s-blue.service": f"{SERVER} -d {DATA}\n"}, data=DATA),
    "U37 Arch's package": Case(
        {
            "/usr/lib/systemd/system/k3s.service": (
                "[Service]\nEnvironmentFile=/etc/conf.d/k3s\nExecStart=/usr/bin/k3s $K3S_COMMAND $K3S_ARGS\n"
            ),
            "/etc/conf.d/k3s": f"K3S_COMMAND=server\nK3S_ARGS=--data-dir {DATA} --debug\n",
        },
        data=DATA,
    ),
    "U39 private-registry below the data-dir": Case(
        {UNIT: f"{SERVER} --private-registry=/var/lib/rancher/k3s/r.yaml\n"}, registries="/var/lib/rancher/k3s/r.yaml"
    ),
    "K3S_CONFIG_FILE beats --config": Case(
        {
            UNIT: f"{SERVER} -c {CONFIG_YAML}\n",
            f"/etc/{DROP_INS}": "[Service]\nEnvironment=K3S_CONFIG_FILE=/srv/k3s.json\n",
            CONFIG_YAML: "data-dir: /mnt/unread\n",
            "/srv/k3s.json": f'{{"data-dir": "{DATA}"}}',
        },
        data=DATA,
    ),
    "a plus sign adds to the files before": Case(
        {
            UNIT: PLAIN,
            CONFIG_YAML: "private-registry: /srv/unread\n",
            f"{CONFIG_YAML}.d/a.yaml": f"private-registry+: {REGISTRIES}\n",
        },
        registries=REGISTRIES,
    ),
    "only the first document counts": by_config(
        f"---\nprivate-registry: {REGISTRIES}\n---\nprivate-registry: /srv/unread\n", registries=REGISTRIES
    ),
    "a merge key": unreadable("base: &b\n  data-dir: /mnt/x\n<<: *b\n"),
    "a key with an escape": unreadable('"private\\u002dregistry": /srv/r.yaml\n'),
    "a key with an escape, JSON": unreadable('{"private\\u002dregistry": "/srv/r.yaml"}'),
    "a value with an escape": unreadable('{"private-registry": "/srv/gr\\u00fcn.yaml"}'),
    "a list of one": unreadable("private-registry:\n- /srv/r.yaml\n"),
    "escapes elsewhere": by_config(
        'token: "a\\tb"\nnode-label: ["a\\x41"]\n"data-dir": "\\/mnt\\/ssd/k3s"\n', data=DATA
    ),
    "a hidden drop-in": Case(
        {UNIT: PLAIN, f"{CONFIG_YAML}.d/.own.yaml": f"private-registry: {REGISTRIES}\n"}, registries=REGISTRIES
    ),
    "a drop-in in capitals": Case(
        {UNIT: PLAIN, f"{CONFIG_YAML}.d/OWN.YML": f"private-registry: {REGISTRIES}\n"}, registries=REGISTRIES
    ),
    "what is no drop-in": Case({UNIT: PLAIN, f"{CONFIG_YAML}.d/a.yaml.toml": "private-registry: /srv/unread\n"}),
    "a configuration on the web": Case(
        {UNIT: f"{SERVER} --config https://boot.example/k3s.yaml\n"}, refused=("https://boot.example/k3s.yaml",)
    ),
    "a path that a shell computes": computed("--private-registry=$(cat /etc/where)", "'$(cat'"),
    "a path that systemd completes": computed("--private-registry=%E/r.yaml", "'%E/r.yaml'"),
    "a relative path": computed("--private-registry r.yaml", "'r.yaml'"),
    "a variable before K3s": Case(
        {
            UNIT: "[Service]\nExecStart=/usr/bin/env K3S_CONFIG_FILE=/srv/k3s.yaml /usr/local/bin/k3s server\n",
            "/srv/k3s.yaml": f"private-registry: {REGISTRIES}\n",
        },
        registries=REGISTRIES,
    ),
    "a program that bears its version": Case(
        {UNIT: f"[Service]\nExecStart=/opt/k3s-v1.33.1+k3s1 server --data-dir {DATA}\n"}, data=DATA
    ),
    "a unit with K3s in its name": Case(
        {"/etc/systemd/system/edge-k3s.service": f"{SERVER} --private-registry={REGISTRIES}\n"}, registries=REGISTRIES
    ),
    "a backup is no K3s": Case(
        {"/etc/systemd/system/k3s-backup.service": "[Service]\nExecStart=/opt/backup server --data-dir /mnt/x\n"}
    ),
    "a snapshot is no server": Case(
        {
            "/etc/systemd/system/k3s-snapshot.service": (
                "[Service]\nExecStart=/usr/local/bin/k3s etcd-snapshot save --name server --data-dir /mnt/x\n"
            )
        }
    ),
    "flags before the command": Case(
        {UNIT: f"[Service]\nExecStart=/usr/local/bin/k3s --debug --data-dir {DATA} server --disable traefik\n"},
        data=DATA,
    ),
    "a line that cannot be read": Case(
        {UNIT: PLAIN, CONFIG_YAML: "? data-dir\n: /mnt/x\n"}, refused=(CONFIG_YAML, "cannot read for certain")
    ),
    "a value that is no string": Case(
        {UNIT: PLAIN, CONFIG_YAML: "private-registry: |\n  /srv/r.yaml\n"}, refused=(CONFIG_YAML, "key: value")
    ),
    "JSON without its end": Case(
        {UNIT: PLAIN, f"{CONFIG_YAML}.d/x.yaml": '{"debug": true'}, refused=(f"{CONFIG_YAML}.d/x.yaml",)
    ),
}
