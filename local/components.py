"""Command lines of the control plane, pure: `local.controlplane` runs them on free loopback ports for tests,
`local.cluster` on the usual ports inside a machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.pki import Authority

SERVICE_SUBNET = "10.96.0.0/16"
DNS_ADDRESS = "10.96.0.10"
POD_SUBNET = "10.244.0.0/16"
NODE_POD_SUBNET = "10.244.0.0/24"
"""What the controller-manager gives the first node, and there is only one."""


@dataclass(frozen=True)
class ControlPlane:
    """Where one control plane keeps its things and listens. Paths are as the components see them."""

    binaries: dict[str, Path]
    folder: Path
    """Holds pki/, kubeconfigs/ and etcd/."""
    address: str
    port: int = 6443
    etcd_port: int = 2379
    etcd_peer_port: int = 2380
    manager_port: int = 10257
    pods: bool = True
    """False for tests without nodes: no scheduler, and only controllers that need no pods."""
    audited: bool = False
    """Whether the API server notes who wrote what."""

    @property
    def pki(self) -> Authority:
        """The authority's files."""
        return Authority(self.folder / "pki")

    @property
    def etcd_url(self) -> str:
        """Where etcd listens for clients: always loopback."""
        return f"http://127.0.0.1:{self.etcd_port}"

    @property
    def audit_policy(self) -> Path:
        """What the API server is to note; it lies there before the API server starts."""
        return self.folder / "audit-policy.yaml"

    @property
    def audit_log(self) -> Path:
        """One JSON object per line: https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/"""
        return self.folder / "audit.log"

    def kubeconfig(self, name: str) -> Path:
        """The kubeconfig of a component or of the admin."""
        return self.folder / "kubeconfigs" / f"{name}.yaml"


def audit_policy(users: Sequence[str] = ()) -> dict[str, Any]:
    """Writes, without what was written; of `users` also what they read."""
    everything = [{"level": "Metadata", "users": list(users)}] if users else []
    writes = {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]}
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [*everything, writes],
    }


_WITHOUT_PODS = (
    "namespace-controller,garbage-collector-controller,resourcequota-controller,serviceaccount-controller,"
    "serviceaccount-token-controller,root-ca-certificate-publisher-controller,clusterrole-aggregation-controller"
)


def etcd(plane: ControlPlane) -> list[str]:
    """etcd that trusts the page cache: a cluster that dies with the machine needs no fsync."""
    peer = f"http://127.0.0.1:{plane.etcd_peer_port}"
    return [
        "etcd",
        f"--data-dir={plane.folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={plane.etcd_url}",
        f"--advertise-client-urls={plane.etcd_url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--snapshot-count=5000",
        "--quota-backend-bytes=4294967296",
        "--log-level=warn",
    ]


def apiserver(plane: ControlPlane) -> list[str]:
    """kube-apiserver as people run it: Node and RBAC authorization, the default admission plugins."""
    pki = plane.pki
    return [
        str(plane.binaries["kube-apiserver"]),
        f"--advertise-address={plane.address}",
        f"--bind-address={'0.0.0.0' if plane.pods else plane.address}",
        f"--secure-port={plane.port}",
        f"--etcd-servers={plane.etcd_url}",
        f"--service-cluster-ip-range={SERVICE_SUBNET}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={pki.certificate()}",
        f"--tls-cert-file={pki.certificate('apiserver')}",
        f"--tls-private-key-file={pki.key('apiserver')}",
        f"--kubelet-certificate-authority={pki.certificate()}",
        f"--kubelet-client-certificate={pki.certificate('admin')}",
        f"--kubelet-client-key={pki.key('admin')}",
        # Nobody resolves the node's name here: without this, exec and logs fail.
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki.folder / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={pki.key('service-accounts')}",
        # A load test from one client is the point here, not an accident to defend against.
        "--max-requests-inflight=800",
        "--max-mutating-requests-inflight=400",
        "--shutdown-delay-duration=0s",
        "--profiling=false",
        *(
            [
                f"--audit-policy-file={plane.audit_policy}",
                f"--audit-log-path={plane.audit_log}",
                # Readers keep their place in it: at 100 MB, the default, it would begin anew.
                "--audit-log-maxsize=20000",
            ]
            if plane.audited
            else []
        ),
    ]


def controller_manager(plane: ControlPlane) -> list[str]:
    """kube-controller-manager; it exits when it starts before the API server is ready."""
    pki, kubeconfig = plane.pki, plane.kubeconfig("kube-controller-manager")
    return [
        str(plane.binaries["kube-controller-manager"]),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--secure-port={plane.manager_port}",
        "--bind-address=127.0.0.1",
        f"--controllers={'*' if plane.pods else _WITHOUT_PODS}",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki.key('service-accounts')}",
        f"--root-ca-file={pki.certificate()}",
        f"--cluster-signing-cert-file={pki.certificate()}",
        f"--cluster-signing-key-file={pki.key('ca')}",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={POD_SUBNET}",
        f"--service-cluster-ip-range={SERVICE_SUBNET}",
        "--leader-elect=false",
        # The defaults (20/30) would be what a scale test measures.
        "--kube-api-qps=400",
        "--kube-api-burst=800",
        "--profiling=false",
    ]


def scheduler(plane: ControlPlane) -> list[str]:
    """kube-scheduler; like the controller-manager it wants a ready API server."""
    kubeconfig = plane.kubeconfig("kube-scheduler")
    return [
        str(plane.binaries["kube-scheduler"]),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        # Nobody asks it anything, and on its usual port a second one on the same host would not start.
        "--secure-port=0",
        "--leader-elect=false",
        "--kube-api-qps=400",
        "--kube-api-burst=800",
        "--profiling=false",
    ]
