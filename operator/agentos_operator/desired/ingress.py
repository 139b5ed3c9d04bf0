"""What every Ingress of ours has in common: hosts, one path, certificates and the administrator's annotations."""

from __future__ import annotations

from agentos_operator.desired.address import Address
from agentos_operator.resources.common import Object
from agentos_operator.settings import Routing


def fill_ingress(ingress: Object, deployment: str, address: Address, backend: Object, routing: Routing) -> Object:
    """``ingress`` with the rules that send the path ``address.prefix`` of every host to ``backend``."""
    paths = [{"path": address.prefix or "/", "pathType": "Prefix", "backend": {"service": backend}}]
    spec: Object = {"rules": [{"host": host, "http": {"paths": paths}} for host in address.hosts]}
    if routing.ingress.class_name is not None:
        spec["ingressClassName"] = routing.ingress.class_name
    if routing.ingress.certificate != "None":
        spec["tls"] = [_tls(host, number, deployment, routing) for number, host in enumerate(address.hosts)]
    if routing.ingress.annotations:
        ingress["metadata"]["annotations"] = dict(routing.ingress.annotations)
    return {**ingress, "spec": spec}


def _tls(host: str, number: int, deployment: str, routing: Routing) -> Object:
    """One entry a host: a certificate of two names would not be issued while one of them leads elsewhere."""
    generated = number == 0
    if routing.ingress.certificate == "Secret" and generated:
        return {"hosts": [host], "secretName": routing.ingress.secret_name}
    if routing.ingress.certificate == "Controller":
        return {"hosts": [host]}  # without a Secret the controller shows its default certificate
    # Names of deployments hold no "--", so the second is no other deployment's first.
    return {"hosts": [host], "secretName": f"agentos-tls-{deployment}" + ("" if generated else "--own")}
