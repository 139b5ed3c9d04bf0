"""Whether the Gateway's proxies are where the policies let them in.

The policies name them by Namespace and label, which takes no look. This one only tells administrators when nobody is
found there: a Service with these labels may be anybody's, so none is ever the reason to let somebody in.
"""

from __future__ import annotations

from agentos_operator.clients.kinds import SERVICE
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.desired.surroundings import envoy_labels, proxies_of, standard_labels
from agentos_operator.naming import workspace_of
from agentos_operator.reconcile.surroundings.memory import Problem
from agentos_operator.settings import Gateway

_ADVICE = "Name the Namespaces of the pods that forward requests in routing.sourceNamespaces of the chart."


async def miss_proxies(kubernetes: Kubernetes, gateway: Gateway) -> Problem | None:
    """What to tell of proxies that nobody lets in; None when all is well.

    Raises:
        ApiError: nobody can tell now.
    """
    title = f"Gateway {gateway.namespace}/{gateway.name}"
    admitted = {each.namespace for each in proxies_of(gateway)}
    if not admitted:
        return Problem(f"The pods of {title} cannot be named by labels, so no request is let in. {_ADVICE}")
    found = await _places(kubernetes, gateway)
    if found & admitted:
        return None
    if found:
        return Problem(
            f"Services of {title} lie in {', '.join(sorted(found))}, from where no request is let in; if these are its "
            f"proxies: {_ADVICE}"
        )
    return Problem(
        f"No proxies of {title} were found in {', '.join(sorted(admitted))}, from where requests are let in. {_ADVICE}"
    )


async def _places(kubernetes: Kubernetes, gateway: Gateway) -> set[str]:
    """Namespaces with a Service that says to be the Gateway's; what tenants say does not count."""
    envoy = await kubernetes.names(SERVICE, envoy_labels(gateway))
    standard = await kubernetes.names(SERVICE, standard_labels(gateway))
    # The standard's label has no Namespace in it: elsewhere it names another Gateway.
    places = {namespace for namespace, _ in envoy} | {namespace for namespace, _ in standard} & {gateway.namespace}
    return {namespace for namespace in places if namespace and not workspace_of(namespace)}
