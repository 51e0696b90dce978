"""Caches of upstream registries: a server of its own for each, at an address inside the cluster.

Nodes ask a cache first and the upstream itself if that fails, so nothing waits for a cache: it may be down, be moved or
have lost its images, and pulls go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import pulumi
import pulumi_kubernetes as kubernetes

from components.config.auth import AuthSettings
from components.config.cache import PORT, Cache, slug
from components.config.monitoring import Monitoring
from components.config.registry import RegistrySettings
from components.config.storage import Storage
from components.registry.claim import claim
from components.registry.metadata import object_metadata
from components.registry.network_policy import cache_policy
from components.registry.passwords import CLIENT_CA_KEY, client_authority, client_variables
from components.registry.pod import CONTAINER_PORT, environment, opened, pod
from components.registry.registry import delete_first
from components.registry.secret_data import encoded, revision

_APP: Final = {"app": "registry-cache"}
_REVISION_ANNOTATION: Final = "k3s-registry/cache"
_AWAIT_SECONDS: Final = 180
_LOGIN: Final = ("username", "password")
"""Keys of the cache's Secret, and files of its pod: containerd would write variables of a pod to the node's disk."""
_PARTS: Final = ("exchange.sh", "upstream.sh")
_SERVE: Final = """\
export REGISTRY_PROXY_USERNAME="$(cat /certs/username)" REGISTRY_PROXY_PASSWORD="$(cat /certs/password)"
for file in /etc/distribution/config.yml /etc/docker/registry/config.yml; do
    if [ -e "$file" ]; then exec registry serve "$file"; fi
done
"""
"""Starts a registry that knows the upstream's user; the first path is registry 3's, the other that of registry 2."""


@dataclass(frozen=True, kw_only=True)
class CachesArgs:
    """The registry's settings and key pair, which its caches share."""

    settings: RegistrySettings
    server_certificate_pem: pulumi.Input[str]
    server_key_pem: pulumi.Input[str]
    passwords: pulumi.Input[Mapping[str, str]]
    """Those of the upstreams' users by the name of the upstream, as a secret."""
    namespace: Sequence[pulumi.Resource]
    """The registry's namespace; empty where another one is used as it is."""


class Caches(pulumi.ComponentResource):
    """For each upstream a Secret, a claim, a Deployment and a Service; and one NetworkPolicy, if configured."""

    services: list[pulumi.Resource]
    """Without a Service, a node that asks a cache waits until it gives up; with one, it is refused at once."""

    def __init__(self, name: str, args: CachesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:Caches", name, {}, opts)
        self._args = args
        authority = client_authority(self, name)
        self.services = [
            self._create(f"{name}-{slug(upstream)}", upstream, cache, authority)
            for upstream, cache in args.settings.cache.items()
        ]
        if args.settings.network_policy:
            kubernetes.networking.v1.NetworkPolicy(
                f"{name}-network-policy",
                metadata=object_metadata(args.settings.namespace, _APP["app"]),
                spec=cache_policy(_APP),
                opts=delete_first(self, args.namespace),
            )
        self.register_outputs({})

    def _create(
        self, name: str, upstream: str, cache: Cache, authority: pulumi.Output[str]
    ) -> kubernetes.core.v1.Service:
        args, settings = self._args, of_cache(self._args.settings, upstream)
        label = object_name(upstream)
        labels = {**_APP, "cache": label}
        password = pulumi.Output.from_input(args.passwords).apply(lambda known: known.get(upstream, ""))
        files: dict[str, pulumi.Input[str]] = {
            "tls.crt": args.server_certificate_pem,
            "tls.key": args.server_key_pem,
            CLIENT_CA_KEY: authority,
            **({"username": cache.username, "password": password} if cache.username else {}),
        }
        secret = kubernetes.core.v1.Secret(
            f"{name}-files",
            metadata=object_metadata(settings.namespace, label),
            data={key: pulumi.Output.from_input(text).apply(encoded) for key, text in files.items()},
            opts=delete_first(self, args.namespace),
        )
        volume = claim(f"{name}-claim", settings, self, args.namespace, f"cache.{upstream}.size")
        rolls = pulumi.Output.all(**files).apply(lambda known: revision(known, known["tls.key"]))
        kubernetes.apps.v1.Deployment(
            f"{name}-deployment",
            # Less than the provider's ten minutes: an upstream that does not answer now will hardly do so then.
            metadata=object_metadata(settings.namespace, label, {"pulumi.com/timeoutSeconds": str(_AWAIT_SECONDS)}),
            spec=kubernetes.apps.v1.DeploymentSpecArgs(
                replicas=1,
                selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=labels),
                # One after the other, since each writes the list of what expires, and what only one of them knows would
                # stay for ever. Not `Recreate`, whose rollout the provider takes for done before it has begun.
                strategy=kubernetes.apps.v1.DeploymentStrategyArgs(
                    type="RollingUpdate",
                    rolling_update=kubernetes.apps.v1.RollingUpdateDeploymentArgs(max_surge=0, max_unavailable=1),
                ),
                template=kubernetes.core.v1.PodTemplateSpecArgs(
                    metadata=kubernetes.meta.v1.ObjectMetaArgs(
                        labels=labels, annotations={_REVISION_ANNOTATION: pulumi.Output.unsecret(rolls)}
                    ),
                    spec=cache_pod(settings, upstream, cache),
                ),
            ),
            opts=pulumi.ResourceOptions.merge(
                delete_first(self, [secret, *volume], replace_with=[*args.namespace, *volume]),
                pulumi.ResourceOptions(hooks=_explained(f"{name}-deployment", not_ready(settings, upstream))),
            ),
        )
        return kubernetes.core.v1.Service(
            f"{name}-service",
            # Nodes need the Service alone, which would be awaited until its pod is ready.
            metadata=object_metadata(settings.namespace, label, {"pulumi.com/skipAwait": "true"}),
            spec=cache_service(cache, labels),
            opts=delete_first(self, args.namespace),
        )


def not_ready(settings: RegistrySettings, upstream: str) -> str:
    """The sentence for a cache that does not start: what the provider knows of its pod is not why."""
    return (
        f"cache.{upstream}: the cache did not start; its upstream must answer and accept its user; if the error does "
        f"not say why, the log does: `kubectl -n {settings.namespace} logs deployment/{object_name(upstream)} "
        "--all-containers`; nodes pull from the upstream itself meanwhile"
    )


def _explained(name: str, sentence: str) -> pulumi.ResourceHookBinding:
    def log(_failure: pulumi.ErrorHookArgs) -> bool:
        pulumi.log.error(sentence)
        return False

    return pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"{name}-failure", log)])


def object_name(upstream: str) -> str:
    """The name of the objects of an upstream's cache."""
    return f"cache-{slug(upstream)}"


def of_cache(settings: RegistrySettings, upstream: str) -> RegistrySettings:
    """The settings of a registry like this one whose images are those of the cache."""
    storage = Storage(
        class_name=settings.storage.class_name,
        size=settings.cache[upstream].size,
        # Whatever is lost is pulled again.
        protect=False,
        claim_name=object_name(upstream),
    )
    others = {"storage": storage, "replicas": 1, "auth": AuthSettings(), "monitoring": Monitoring()}
    return settings.model_copy(update=others)


def cache_service(cache: Cache, labels: Mapping[str, str]) -> kubernetes.core.v1.ServiceSpecArgs:
    """The cache's address: inside the cluster alone, and known before the Service exists."""
    core = kubernetes.core.v1
    return core.ServiceSpecArgs(
        selector=labels,
        type="ClusterIP",
        cluster_ip=cache.address,
        ports=[core.ServicePortArgs(name="docker", protocol="TCP", port=PORT, target_port=CONTAINER_PORT)],
        # A cluster gives a Service only its first IP family, which is IPv4 on most clusters.
        ip_families=["IPv6"] if ":" in cache.address else None,
    )


def cache_pod(settings: RegistrySettings, upstream: str, cache: Cache) -> kubernetes.core.v1.PodSpecArgs:
    """The cache's pod: the registry's, but for what follows."""
    core = kubernetes.core.v1
    spec = pod(settings)
    spec.affinity = None
    containers: Any = spec.containers
    [container] = containers
    container.name = "cache"
    variables = {**proxy_variables(upstream, cache), **client_variables()}
    # The secret of uploads is needless where nothing is uploaded, and is in a Secret of the registry's.
    container.env = [one for one in environment(settings.storage, variables) if one.name != "REGISTRY_HTTP_SECRET"]
    container.startup_probe = opened(CONTAINER_PORT)
    container.readiness_probe = container.liveness_probe = container.lifecycle = None
    volumes: Any = spec.volumes
    login = _LOGIN if cache.username else ()
    volumes[1].secret = core.SecretVolumeSourceArgs(
        secret_name=object_name(upstream),
        items=[core.KeyToPathArgs(key=key, path=key) for key in ("tls.crt", "tls.key", CLIENT_CA_KEY, *login)],
    )
    if login:
        container.command = ["sh", "-c", _SERVE]
        spec.init_containers = [
            core.ContainerArgs(
                name="login",
                image=container.image,
                image_pull_policy=container.image_pull_policy,
                command=["sh", "-c", login_script()],
                env=[
                    core.EnvVarArgs(name="key", value=f"cache.{upstream}"),
                    core.EnvVarArgs(name="upstream", value=cache.url(upstream)),
                ],
                resources=container.resources,
                volume_mounts=[core.VolumeMountArgs(name="certs", mount_path="/certs", read_only=True)],
                security_context=container.security_context,
                termination_message_policy="FallbackToLogsOnError",
            )
        ]
    return spec


def proxy_variables(upstream: str, cache: Cache) -> dict[str, str]:
    """What makes a registry a cache of an upstream."""
    return {"REGISTRY_PROXY_REMOTEURL": cache.url(upstream), "REGISTRY_PROXY_TTL": f"{24 * cache.keep_days}h"}


def login_script() -> str:
    """The script that tries the upstream's user before the cache starts."""
    directory = resources.files("components.registry") / "scripts"
    return "".join((directory / part).read_text(encoding="utf-8") for part in _PARTS)
