"""An OpenFaaS stack that consumes the registry's: what builders need, one function, and OpenFaaS itself if asked."""

import pulumi
from consumer import builders, function, openfaas, registry  # type: ignore[import-not-found]  # Pulumi runs it here
from consumer.settings import read  # type: ignore[import-not-found]  # Pulumi runs it here

settings = read(pulumi.Config())
stack = pulumi.StackReference(settings.registry_stack)
found = registry.read(stack)
namespaces = openfaas.namespaces(settings)
values = openfaas.helm_values(settings.namespace)

builders.give(found, settings.namespace, depends_on=namespaces)
if settings.builder is not None:
    builders.let_push(registry.push_config(stack, settings.builder), settings.namespace, depends_on=namespaces)
if settings.chart is not None:
    openfaas.install(settings.chart, values, depends_on=namespaces)
if settings.function is not None:
    function.deploy(
        settings.function.name,
        pulumi.Output.concat(found.image_prefix, "/", settings.function.reference),
        namespace=settings.namespace,
        replicas=settings.replicas,
        depends_on=namespaces,
    )

pulumi.export("OPENFAAS_PREFIX", found.image_prefix)
pulumi.export("exampleImage", pulumi.Output.concat(found.image_prefix, "/hello:1.0.0"))
pulumi.export("helmValues", openfaas.as_yaml(values))
