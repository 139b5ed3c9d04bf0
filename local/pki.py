"""Keys, certificates and kubeconfigs of one cluster; `local.controlplane` and `local.cluster` make them at each start.

A cluster's authority lives as long as its state folder. Everything here is private to its owner (files 0600).
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from local import paths
from local.steps import run

ADVICE = "Install openssl 3 (`apt-get install openssl`) and run it again."
_LIFETIME_DAYS = "3650"


@dataclass(frozen=True)
class Identity:
    """Whom a certificate names: Kubernetes takes the user from CN and the groups from O."""

    file: str
    user: str
    group: str = ""
    hosts: tuple[str, ...] = ()
    """Names and addresses that the certificate serves; empty for a pure client."""


@dataclass(frozen=True)
class Authority:
    """A certificate authority and the folder of all that it signed."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "Authority":
        """Make a new authority, and the key that signs service account tokens."""
        paths.private_folder(folder)
        authority = cls(folder)
        extensions = {"basicConstraints": "critical,CA:TRUE", "keyUsage": "critical,keyCertSign,cRLSign"}
        authority._request(Identity("ca", "agentos-local"), extensions, signed=False)
        run(["openssl", "genrsa", "-out", authority.key("service-accounts"), "2048"], advice=ADVICE)
        public: list[str | Path] = ["openssl", "rsa", "-pubout", "-in", authority.key("service-accounts")]
        run([*public, "-out", authority.folder / "service-accounts.pub"], advice=ADVICE)
        return authority

    def certificate(self, name: str = "ca") -> Path:
        """The certificate file of `name`."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """The private key file of `name`."""
        return self.folder / f"{name}.key"

    def issue(self, identity: Identity) -> None:
        """Make a key and a certificate for `identity`."""
        usage = "serverAuth,clientAuth" if identity.hosts else "clientAuth"
        extensions = {"basicConstraints": "critical,CA:FALSE", "extendedKeyUsage": usage}
        if identity.hosts:
            extensions["subjectAltName"] = ",".join(_alternative_name(host) for host in identity.hosts)
        self._request(identity, extensions, signed=True)

    def _request(self, identity: Identity, extensions: dict[str, str], *, signed: bool) -> None:
        lines = ["[req]", "distinguished_name=dn", "x509_extensions=ext", "prompt=no", "[dn]"]
        lines += [f"O={identity.group}"] if identity.group else []
        lines += [f"CN={identity.user}", "[ext]", *(f"{key}={value}" for key, value in extensions.items())]
        config = paths.write_private(self.folder / f"{identity.file}.cnf", "\n".join(lines) + "\n")
        command: list[str | Path] = [
            "openssl",
            "req",
            "-x509",
            "-config",
            config,
            "-nodes",
            "-days",
            _LIFETIME_DAYS,
        ]
        command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        command += ["-keyout", self.key(identity.file), "-out", self.certificate(identity.file)]
        command += ["-CA", self.certificate(), "-CAkey", self.key("ca")] if signed else []
        run(command, advice=ADVICE)

    def kubeconfig(self, target: Path, identity: Identity, server: str) -> Path:
        """Issue a client certificate and write a kubeconfig that holds everything it needs inline."""
        self.issue(identity)
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "agentos-local",
            "clusters": [
                {
                    "name": "agentos-local",
                    "cluster": {"server": server, **self._data("certificate-authority")},
                }
            ],
            "contexts": [{"name": "agentos-local", "context": {"cluster": "agentos-local", "user": identity.file}}],
            "users": [{"name": identity.file, "user": self._data("client", identity.file)}],
        }
        return paths.write_private(target, yaml.safe_dump(document))

    def _data(self, prefix: str, name: str = "") -> dict[str, str]:
        if not name:
            return {f"{prefix}-data": _base64(self.certificate())}
        return {
            f"{prefix}-certificate-data": _base64(self.certificate(name)),
            f"{prefix}-key-data": _base64(self.key(name)),
        }


CLIENTS: Sequence[Identity] = (
    Identity("admin", "agentos-local-admin", "system:masters"),
    Identity("kube-controller-manager", "system:kube-controller-manager"),
    Identity("kube-scheduler", "system:kube-scheduler"),
    Identity("kube-proxy", "system:kube-proxy"),
)
"""Who talks to every API server of ours; the kubelet's identity names its node."""
FRONT_PROXY = Identity("front-proxy", "front-proxy-client")
"""The API server itself, towards API servers that it passes requests on to, as metrics.k8s.io is served by one."""


def _alternative_name(host: str) -> str:
    kind = "IP" if host.replace(".", "").isdigit() or ":" in host else "DNS"
    return f"{kind}:{host}"


def _base64(file: Path) -> str:
    return b64encode(file.read_bytes()).decode()
