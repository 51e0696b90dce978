import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pulumi
import pytest
from google.protobuf import json_format
from pulumi.runtime import mocks, settings

from components.config.parse import parse
from components.registry_stack import RegistryStack, RegistryStackArgs

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9vzGeAGyDClVeJUe+UJ7C8zs5ip6h6jVzyj9/dcx4R"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nthrowaway\n-----END PRIVATE KEY-----\n"
SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Key under which the engine's protocol wraps a secret value."""


SECRETS = ("sshPrivateKey", "kubeconfig", "caPrivateKey", "auth", "cache", "storage")
COMMAND = "command:remote:Command"


def inputs(request: Any) -> dict[str, Any]:
    """The inputs that a registration sends to its provider."""
    plain: dict[str, Any] = json_format.MessageToDict(request.object)
    return plain


def unwrapped(value: Any) -> Any:
    """A value without the mark of a secret."""
    return value["value"] if isinstance(value, dict) and SECRET_SIGNATURE in value else value


def clear_texts(value: Any) -> list[str]:
    """Every string in some inputs that is not marked as a secret."""
    if isinstance(value, dict):
        return [] if SECRET_SIGNATURE in value else [text for item in value.values() for text in clear_texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in clear_texts(item)]
    return [value] if isinstance(value, str) else []


class Provider(mocks.Mocks):
    """Answers as the providers do, and fails for calls that the program must not make."""

    def __init__(self, *, preview: bool, life: int = 1) -> None:
        self.preview = preview
        self.life = life

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        outputs: dict[str, Any] = dict(args.inputs)
        if args.resource_id == "kube-system/extension-apiserver-authentication":
            outputs["data"] = {"client-ca-file": CERTIFICATE}
        if not self.preview:
            outputs |= self._computed(args)
        return f"{args.name}-id", outputs

    def _computed(self, args: mocks.MockResourceArgs) -> dict[str, Any]:
        if args.typ == "tls:index/privateKey:PrivateKey":
            return {"privateKeyPem": {SECRET_SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": PRIVATE_KEY}}
        if args.typ in ("tls:index/selfSignedCert:SelfSignedCert", "tls:index/locallySignedCert:LocallySignedCert"):
            return {"certPem": CERTIFICATE, "validityEndTime": "2036-01-01T00:00:00Z"}
        if args.typ == "tls:index/certRequest:CertRequest":
            return {"certRequestPem": "request"}
        if args.typ in ("kubernetes:apps/v1:Deployment", "kubernetes:core/v1:Service"):
            return {"metadata": {**args.inputs["metadata"], "uid": f"{args.name}-{self.life}"}}
        if args.typ == "command:remote:Command":
            return {
                "stdout": '{"revision": "r1", "digest": "sha256:d1", "second": 1700000000, "changed": true}',
                "stderr": "",
            }
        return {}

    def call(self, args: mocks.MockCallArgs) -> Any:
        message = f"the program asked {args.token}: no look-up belongs in it"
        raise AssertionError(message)


class Recorder(mocks.MockMonitor):
    """Keeps every registration as the engine would get it, options included."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider)
        self.requests: list[Any] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        self.requests.append(request)
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


class Recording:
    """The registrations of one run of the component."""

    def __init__(self, requests: list[Any], outputs: dict[str, Any], secret_outputs: list[str]) -> None:
        self.secret_outputs = secret_outputs
        of_program = [request for request in requests if request.type != "pulumi:pulumi:Stack"]
        self.by_name = {request.name: request for request in of_program}
        self.names = [request.name for request in of_program]
        self.outputs = outputs

    def of_type(self, token: str) -> dict[str, Any]:
        return {name: request for name, request in self.by_name.items() if request.type == token}

    @staticmethod
    def name_of(urn: str) -> str:
        return urn.rpartition("::")[2]


Build = Callable[..., Recording]


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "hostname": "registry.cube.local",
        "aliases": ["registry"],
        "ip": "10.77.0.202",
        "nodes": {
            name: {"host": f"10.77.0.{11 + index}", "hostKey": ED25519}
            for index, name in enumerate(("control01", "cube01", "cube02"))
        },
    }


@pytest.fixture
def build() -> Iterator[Build]:
    """Runs the component once under recording mocks and returns what it registered."""
    # The SDK asks for the thread's loop, and an asyncio.run() of an earlier test has left none.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield _build
    settings.reset_options()
    asyncio.set_event_loop(None)
    loop.close()


def _build(
    values: dict[str, Any],
    *,
    preview: bool = False,
    life: int = 1,
    private_key: str | None = None,
    authority_key: str | None = None,
) -> Recording:
    """`life` counts how often the objects in the cluster were created."""
    provider = Provider(preview=preview, life=life)
    recorder = Recorder(provider)
    pulumi.runtime.set_mocks(provider, project="k3s-registry", stack="test", preview=preview, monitor=recorder)
    key = None if private_key is None else pulumi.Output.secret(private_key)
    signing = None if authority_key is None else pulumi.Output.secret(authority_key)
    outputs: dict[str, Any] = {}
    secret: list[str] = []

    async def collect(stack: RegistryStack) -> None:
        for name, value in stack.outputs.exports().items():
            output: pulumi.Output[Any] = pulumi.Output.from_input(value)
            outputs[name] = await output.future()
            if await output.is_secret():
                secret.append(name)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]  # the SDK leaves it untyped
    def program() -> Any:
        config = parse(values, encrypted=SECRETS)
        users = {name: password.get_secret_value() for name, password in config.auth.users.items()}
        args = RegistryStackArgs(
            config=config,
            ssh_private_key=key,
            external_authority_key=signing,
            passwords=pulumi.Output.secret(users) if users else {},
            upstream_passwords=pulumi.Output.secret(
                {name: cache.password.get_secret_value() for name, cache in config.cache.items() if cache.password}
            ),
            s3_keys=pulumi.Output.secret(config.storage.s3.keys) if config.storage.s3 else {},
        )
        stack = RegistryStack("registry", args)
        return pulumi.Output.from_input(collect(stack))

    program()
    return Recording(recorder.requests, outputs, secret)
