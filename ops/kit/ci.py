"""Snippets for pipelines: they carry the authority themselves, since a runner may be another computer each time."""

from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO
from ruamel.yaml.scalarstring import LiteralScalarString

from ops.kit.facts import Facts

_PASSWORD: Final = "REGISTRY_PASSWORD"  # noqa: S105 - the name of a variable, not its value
_USER: Final = "REGISTRY_USER"
_HERE: Final = "# The runner must reach {address}: run it on the LAN.\n"


def github_actions(facts: Facts, *, passwords: bool) -> str:
    """The steps of a job, by GitHub's own shell alone: no action, so nothing that has to be pinned."""
    variables = {_USER: "${{ vars.REGISTRY_USER }}", _PASSWORD: "${{ secrets.REGISTRY_PASSWORD }}"}
    steps: list[dict[str, Any]] = [
        {"name": "Trust the registry", "env": {"CA": _block(facts.bundle)}, "run": _script(trust(facts))}
    ]
    if passwords:
        steps.append({"name": "Log in to the registry", "env": variables, "run": login(facts)})
    image = f"{facts.endpoint}/my-image:$GITHUB_SHA"
    steps.append({"name": "Build and push", "run": _script([f"docker build -t {image} .", f"docker push {image}"])})
    if passwords:
        steps.append({"name": "Log out of the registry", "if": "always()", "run": logout(facts)})
    return _HERE.format(address=facts.address) + _yaml(steps)


def gitlab(facts: Facts, *, passwords: bool) -> str:
    """A job for a runner with the shell executor: what it writes is what docker on that computer reads."""
    image = f"{facts.endpoint}/my-image:$CI_COMMIT_SHORT_SHA"
    job = {
        "push-image": {
            "tags": ["shell"],
            "variables": {"CA": _block(facts.bundle)},
            "before_script": [*trust(facts), *([login(facts)] if passwords else [])],
            "script": [f"docker build -t {image} .", f"docker push {image}"],
            **({"after_script": [logout(facts)]} if passwords else {}),
        }
    }
    return _HERE.format(address=facts.address) + _yaml(job)


def trust(facts: Facts) -> list[str]:
    """Commands that give docker name and authority. They may run again on the same computer."""
    return [
        facts.enter_name,
        *(
            f'printf "%s" "$CA" | sudo install -D -m 644 /dev/stdin /etc/docker/certs.d/{endpoint}/ca.crt'
            for endpoint in facts.endpoints
        ),
    ]


def login(facts: Facts) -> str:
    """The command that logs docker in; the password is on its standard input."""
    return f'printf "%s" "${_PASSWORD}" | docker login --username "${_USER}" --password-stdin {facts.endpoint}'


def logout(facts: Facts) -> str:
    """The command that takes the password off the runner, where docker stores it almost in plain text."""
    return f"docker logout {facts.endpoint}"


def _script(commands: list[str]) -> str:
    return _block("".join(f"{command}\n" for command in commands))


def _block(text: str) -> str:
    """The text as a block of lines, which people read, and not as one quoted line."""
    block: str = LiteralScalarString(text)
    return block


def _yaml(value: Any) -> str:
    yaml = YAML()
    yaml.width = 4096  # a command stays on one line
    text = StringIO()
    yaml.dump(value, text)
    return text.getvalue()
