"""All objects of an AgentDeployment as one typed bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agentos_operator.desired.address import Address, address_of
from agentos_operator.desired.autoscaler import build_autoscaler
from agentos_operator.desired.config_map import build_config_map
from agentos_operator.desired.deployment import PodSource, build_deployment
from agentos_operator.desired.route import build_route
from agentos_operator.desired.service import build_disruption_budget, build_service
from agentos_operator.resources.agent_deployment import AgentDeployment
from agentos_operator.resources.common import Object
from agentos_operator.settings import Settings


@dataclass(frozen=True)
class DeploymentObjects:
    """What an AgentDeployment owns."""

    config_map: Object
    """Written before ``deployment``, whose pods mount it."""
    deployment: Object
    service: Object
    disruption_budget: Object
    autoscaler: Object | None
    """None where the number of pods is not left to one, or is none."""
    route: Object
    address: Address
    """Where ``route`` leads from."""


@dataclass(frozen=True)
class Circumstances:
    """What else decides about the objects, beside what the AgentDeployment says."""

    suspended: bool = False
    """It is, or its Workspace: no pod runs, and ``spec.replicas`` waits for the end of that."""
    scaled: bool = False
    """Pods exist whose number an autoscaler has decided, or is to decide from here on."""
    own_host: str | None = None
    """The granted host that it holds, if any."""
    runtime_class: str | None = None
    """``spec.runtimeClassName`` of the Workspace."""


def build_deployment_objects(
    deployment: AgentDeployment,
    workspace: str,
    credentials: Mapping[str, str],
    settings: Settings,
    given: Circumstances = Circumstances(),
) -> DeploymentObjects:
    """The objects that ``deployment`` owns in ``workspace``; ``credentials`` as in ``build_deployment``."""
    config_map = build_config_map(deployment, workspace)
    address = address_of(deployment.name, workspace, settings.routing, given.own_host)
    source = PodSource(
        image=deployment.image or settings.runtime_image,
        config_map=config_map["metadata"]["name"],
        credentials=credentials,
        replicas=_replicas(deployment, given),
        runtime_class=given.runtime_class,
        path_prefix=address.prefix,
    )
    return DeploymentObjects(
        config_map=config_map,
        deployment=build_deployment(deployment, workspace, source),
        service=build_service(deployment, workspace),
        disruption_budget=build_disruption_budget(deployment, workspace),
        autoscaler=None if given.suspended else build_autoscaler(deployment, workspace),
        route=build_route(deployment, workspace, address, settings.routing),
        address=address,
    )


def _replicas(deployment: AgentDeployment, given: Circumstances) -> int | None:
    """An autoscaler changes a number that is there, so the first one is said here; from none it never scales up."""
    if given.suspended:
        return 0
    if deployment.autoscaling is None:
        return deployment.replicas
    return None if given.scaled else deployment.autoscaling.min_replicas
