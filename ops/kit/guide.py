"""The kit's README.md: for each client the commands that install its files, and those that remove them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ops.kit.facts import Facts

_HOW: Final = (
    "The commands below are run in this directory, on the workstation or the runner. All of them may be run again. "
    "The name is needed for every client; of the others, take what you use."
)
_PIPELINES: Final = """## GitHub Actions

`github-actions.yml` has the steps of a job. To remove it, delete the steps; on a runner of your own, also run the
commands above that remove the name and Docker's files.

## GitLab

`gitlab-ci.yml` is a job for a runner with the shell executor. To remove it, do as with GitHub Actions.
"""
_SECRET: Final = "registry-kit"  # noqa: S105 - the name of a Secret, not its content
_BUILDX: Final = "docker buildx create --name k3s-registry --use --driver-opt network=host --config buildkitd.toml"


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client, or several that read the same files."""

    title: str
    why: str = ""
    install: Sequence[str]
    remove: Sequence[str]

    def section(self) -> str:
        """The client's part of the guide."""
        why = f"{self.why}\n\n" if self.why else ""
        return f"## {self.title}\n\n{why}Install:\n\n{_block(self.install)}\nRemove:\n\n{_block(self.remove)}"


def guide(facts: Facts, *, passwords: bool, login: bool) -> str:
    """The whole guide."""
    if not passwords:
        access = "The registry asks nobody for a password: whoever reaches it may push."
    elif login:
        access = "`config.json` holds the password of one user: keep it from others, and delete it after use."
    else:
        access = (
            f"The registry asks for passwords: `docker login {facts.endpoint}`, and alike for the others; "
            f"`docker logout {facts.endpoint}` removes what docker stores of yours. "
            "`python -m ops kit DIR --user NAME` adds a file with the password of one user, which kaniko needs."
        )
    sections = "\n".join(client.section() for client in clients(facts, login=login))
    return f"# The registry at {facts.endpoint}\n\n{_HOW}\n\n{access}\n\n{sections}\n{_PIPELINES}"


def clients(facts: Facts, *, login: bool) -> list[Client]:
    """What a workstation may have."""
    made = [
        Client(
            title="The name",
            why="Where `sed` is not GNU's or busybox', as on macOS, edit `/etc/hosts`: the file `hosts` has the line.",
            install=[facts.enter_name],
            remove=[f"sudo sed -i '{facts.hosts_lines}' /etc/hosts"],
        ),
        _copied(facts, title="Docker", target="/etc/docker/certs.d", why="Docker Desktop reads `~/.docker/certs.d`."),
        _copied(
            facts,
            title="Podman, Skopeo, Buildah",
            target="/etc/containers/certs.d",
            why="They read Docker's directory too, so this is for computers without Docker.",
        ),
        Client(
            title="crane, oras, curl, helm, cosign",
            why="They trust what the system trusts. Without root: `SSL_CERT_FILE=ca.crt`, or `curl --cacert ca.crt`. "
            "On Fedora and its kin the directory is `/etc/pki/ca-trust/source/anchors`, and the command "
            "`update-ca-trust`.",
            install=[
                "sudo install -m 644 ca.crt /usr/local/share/ca-certificates/k3s-registry.crt",
                "sudo update-ca-certificates",
            ],
            remove=[
                "sudo rm -f /usr/local/share/ca-certificates/k3s-registry.crt",
                "sudo update-ca-certificates",
            ],
        ),
        Client(
            title="docker buildx",
            why="Install the name and Docker's files first. BuildKit runs in a container, whose hosts file is not the "
            "workstation's, hence its network. A builder keeps the authority that it was created with: after a "
            "rotation, install it again.",
            install=["docker buildx rm k3s-registry > /dev/null 2>&1 || true", _BUILDX],
            remove=["docker buildx rm k3s-registry"],
        ),
        _copied(
            facts,
            title="containerd, nerdctl",
            target="/etc/containerd/certs.d",
            why="nerdctl reads this directory by itself; of containerd, `config_path` must name it. Nodes of the "
            "cluster need none of this: the program configures them.",
            source="containerd",
            names=("hosts.toml", "ca.crt"),
        ),
        _kaniko(facts, login=login),
    ]
    if login:
        made.append(
            Client(
                title="The password",
                why="Of docker, Podman, Skopeo, Buildah, crane and oras. While the variables are set, it replaces what "
                "you are logged in to otherwise.",
                install=['export DOCKER_CONFIG="$PWD" REGISTRY_AUTH_FILE="$PWD/config.json"'],
                remove=["unset DOCKER_CONFIG REGISTRY_AUTH_FILE"],
            )
        )
    return made


def _kaniko(facts: Facts, *, login: bool) -> Client:
    """The client that runs in a pod; where there is a password, a Secret brings it there."""
    made = Client(
        title="kaniko",
        why="In the namespace in which it runs. `container.json` in that ConfigMap has arguments and mount; the "
        f"pod needs a volume `registry` of it. It pushes to `{facts.cluster_endpoint}`, and nodes pull the "
        f"same image by `{facts.endpoint}`.",
        install=["kubectl apply -f kaniko.json"],
        remove=["kubectl delete --ignore-not-found -f kaniko.json"],
    )
    if not login:
        return made
    create = f"kubectl create secret generic {_SECRET} --from-file=config.json --dry-run=client -o yaml"
    return replace(
        made,
        why=f"{made.why} Mount the Secret `{_SECRET}`, which has the password, at `/kaniko/.docker`.",
        install=[*made.install, f"{create} | kubectl apply -f -"],
        remove=[*made.remove, f"kubectl delete --ignore-not-found secret {_SECRET}"],
    )


def _copied(
    facts: Facts, *, title: str, target: str, why: str, source: str = "certs.d", names: Sequence[str] = ("ca.crt",)
) -> Client:
    """A client that reads a directory for each name of the registry; only the kit's own files are removed."""
    folders = [f"{target}/{endpoint}" for endpoint in facts.endpoints]
    removed = " ".join(f"{folder}/{name}" for folder in folders for name in names)
    return Client(
        title=title,
        why=why,
        install=[f"sudo mkdir -p {target}", f"sudo cp -r {source}/. {target}/"],
        remove=[
            f"sudo rm -f {removed}",
            f"sudo rmdir --ignore-fail-on-non-empty {' '.join(folders)}",
        ],
    )


def _block(commands: Sequence[str]) -> str:
    return "```sh\n" + "".join(f"{command}\n" for command in commands) + "```\n"
