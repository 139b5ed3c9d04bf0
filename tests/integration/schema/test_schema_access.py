"""Who may sign tokens, as a Workspace says it: what the API server accepts, and what it refuses with which words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.apiserver import ApiServer, RefusedError
from tests.integration.schema.bodies import workspace

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

Object = dict[str, Any]
PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
GENERATED = {"name": "generated", "type": "GeneratedSecret"}
JWKS = {
    "name": "app",
    "type": "JWKS",
    "issuer": "https://app.example.com",
    "jwksURI": "https://app.example.com/api/auth/jwks",
    "algorithms": ["EdDSA"],
}
KEY = {"name": "api", "type": "PublicKey", "issuer": "api", "algorithms": ["RS256"], "publicKey": PEM}
REFERENCE = {"name": "agentos-control-plane", "key": "public.pem"}


def without(entry: Object, *fields: str) -> Object:
    return {key: value for key, value in entry.items() if key not in fields}


def issuers(*entries: Object) -> Object:
    """A Workspace with these issuers."""
    return workspace(auth={"issuers": list(entries)})


def jwks(uri: str, *namespaces: str) -> Object:
    """A Workspace whose keys are published there, and which may call these namespaces."""
    egress = [{"namespace": each, "ports": [{"port": 3000}]} for each in namespaces]
    return workspace(auth={"issuers": [{**JWKS, "jwksURI": uri}]}, network={"egress": egress})


def control_plane(**values: Any) -> Object:
    return workspace(controlPlane={"enabled": True, **values})


def origins(*values: str) -> Object:
    return workspace(auth={"allowedOrigins": list(values)})


def case(sentence: str, body: Object, *words: str) -> ParameterSet:
    """A resource that is refused with a message that holds all ``words``."""
    return pytest.param(body, words, id=sentence)


ACCEPTED = {
    "the generated secret by name": issuers(GENERATED),
    "the generated secret with scopes": issuers(
        {**GENERATED, "defaultScopes": ["agents:run"], "algorithms": ["HS256"]}
    ),
    "every kind at once": issuers(GENERATED, JWKS, KEY),
    "everything that an issuer may say": issuers(
        {
            **JWKS,
            "audience": "https://app.example.com",
            "workspaceClaim": "https://hyvve.io/org",
            "workspaceValue": "org_7f3A",
            "algorithms": ["EdDSA", "ES256", "PS256", "RS256"],
            "defaultScopes": ["agents:run", "agents:support:run", "sessions:*:read"],
        }
    ),
    "a key in a Secret": issuers({**without(KEY, "publicKey"), "publicKeySecretRef": REFERENCE}),
    "a key in PKCS#1": issuers({**KEY, "publicKey": PEM.replace("PUBLIC KEY", "RSA PUBLIC KEY")}),
    "a port and a query": jwks("https://app.example.com:8443/keys?tenant=acme"),
    "a Service over http": jwks("http://api.hyvve.svc/api/auth/jwks", "hyvve"),
    "a Service by its full name": jwks("http://api.hyvve.svc.cluster.local:3000/jwks", "other", "hyvve"),
    "a Service over https": jwks("https://api.hyvve.svc/jwks", "hyvve"),
    "a public name with svc in it": jwks("https://app.svc.example.com/jwks"),
    "a Control Plane": control_plane(publicKey=PEM),
    "a Control Plane whose key is in a Secret": control_plane(publicKeySecretRef=REFERENCE, issuer="x", audience="y"),
    "a Control Plane that is off": workspace(controlPlane={}),
    "origins": origins("https://app.example.com", "https://a.example.com:8443", "http://localhost:3000"),
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_makes_sense_is_accepted(api_server: ApiServer, fresh_name: Callable[[], str], body: Object) -> None:
    api_server.create({**body, "metadata": {"name": fresh_name()}})


def test_a_control_plane_is_os_agno_com_unless_it_says_otherwise(
    api_server: ApiServer, fresh_name: Callable[[], str]
) -> None:
    stored = api_server.create({**control_plane(publicKey=PEM), "metadata": {"name": fresh_name()}})
    assert stored["spec"]["controlPlane"]["allowedOrigins"] == ["https://os.agno.com"]


ONLY_NAMES = "https URI with a full DNS name in lower case, no IP address and no user"
REFUSED = [
    case("the algorithm none", issuers({**JWKS, "algorithms": ["none"]}), 'Unsupported value: "none"'),
    case("none in another spelling", issuers({**JWKS, "algorithms": ["nOnE"]}), "Unsupported value"),
    case("HS256 with a set of keys", issuers({**JWKS, "algorithms": ["HS256"]}), "HS256 is for a shared secret"),
    case("HS256 beside another", issuers({**JWKS, "algorithms": ["EdDSA", "HS256"]}), "HS256 is for a shared secret"),
    case("HS256 with a public key", issuers({**KEY, "algorithms": ["HS256"]}), "HS256 is for a shared secret"),
    case("RS256 with the generated secret", issuers({**GENERATED, "algorithms": ["RS256"]}), "HS256 is for a shared"),
    case("no algorithms", issuers(without(JWKS, "algorithms")), "algorithms is required"),
    case("an empty list of algorithms", issuers({**JWKS, "algorithms": []}), "algorithms", "at least 1"),
    case("no iss", issuers(without(JWKS, "issuer")), "issuer is required: the exact iss"),
    case("no address of the keys", issuers(without(JWKS, "jwksURI")), "jwksURI is required for the type JWKS"),
    case("an address with a public key", issuers({**KEY, "jwksURI": JWKS["jwksURI"]}), "jwksURI is required for"),
    case("http to the Internet", jwks("http://app.example.com/jwks"), ONLY_NAMES),
    case("localhost", jwks("https://localhost/jwks"), ONLY_NAMES),
    case("localhost without TLS", jwks("http://localhost:3000/jwks"), ONLY_NAMES),
    case("a name below localhost", jwks("https://x.localhost/jwks"), "names below localhost"),
    case("the metadata of Google's cloud", jwks("https://metadata.google.internal/jwks"), "names below localhost"),
    case("a name of the local network", jwks("https://printer.local/jwks"), "names below localhost"),
    case("loopback", jwks("https://127.0.0.1/jwks"), ONLY_NAMES),
    case("loopback as one number", jwks("https://2130706433/jwks"), ONLY_NAMES),
    case("loopback in hexadecimal", jwks("https://0x7f.0.0.0x1/jwks"), ONLY_NAMES),
    case("loopback in IPv6", jwks("https://[::1]/jwks"), ONLY_NAMES),
    case("metadata", jwks("https://169.254.169.254/latest"), ONLY_NAMES),
    case("metadata without TLS", jwks("http://169.254.169.254/latest"), ONLY_NAMES),
    case("a private address", jwks("https://10.0.0.1/jwks"), ONLY_NAMES),
    case("a public address", jwks("https://93.184.216.34/jwks"), ONLY_NAMES),
    case("a user in the address", jwks("https://user:pass@app.example.com/jwks"), ONLY_NAMES),
    case("a host behind a user", jwks("https://app.example.com@169.254.169.254/jwks"), ONLY_NAMES),
    case("a name without a dot", jwks("https://intranet/jwks"), ONLY_NAMES),
    case("capitals", jwks("https://App.example.com/jwks"), ONLY_NAMES),
    case("a dot at the end", jwks("https://app.example.com./jwks"), ONLY_NAMES),
    case("a file", jwks("file:///etc/passwd"), ONLY_NAMES),
    case("a blank", jwks("https://app.example.com/a b"), ONLY_NAMES),
    case("a line break", jwks("https://app.example.com/a\r\nHost: x"), ONLY_NAMES),
    case("a fragment", jwks("https://app.example.com/jwks#x"), "no fragment"),
    case("http to a name that begins like a Service", jwks("http://api.hyvve.svc.evil.example/jwks"), ONLY_NAMES),
    case("a Service that may not be called", jwks("http://api.hyvve.svc/jwks"), "open the way to its namespace"),
    case("a Service of another namespace", jwks("http://api.hyvve.svc/jwks", "api"), "open the way to its namespace"),
    case("a public key without the key", issuers(without(KEY, "publicKey")), "exactly one of publicKey"),
    case("a key twice", issuers({**KEY, "publicKeySecretRef": REFERENCE}), "exactly one of publicKey"),
    case("a public key for a set of keys", issuers({**JWKS, "publicKey": PEM}), "exactly one of publicKey"),
    case("a private key", issuers({**KEY, "publicKey": PEM.replace("PUBLIC", "PRIVATE")}), "that is a private key"),
    case(
        "a certificate",
        issuers({**KEY, "publicKey": PEM.replace("PUBLIC KEY", "CERTIFICATE")}),
        "one public key in PEM",
    ),
    case("two keys", issuers({**KEY, "publicKey": PEM + PEM}), "one public key in PEM"),
    case("a key without its lines", issuers({**KEY, "publicKey": "MCowBQYDK2VwAyEA"}), "one public key in PEM"),
    case(
        "a Secret that editors may write",
        issuers({**without(KEY, "publicKey"), "publicKeySecretRef": {"name": "mine", "key": "k"}}),
        "publicKeySecretRef.name",
    ),
    case(
        "the operator's own Secret",
        issuers({**without(KEY, "publicKey"), "publicKeySecretRef": {"name": "agentos-jwt", "key": "secret"}}),
        "are the operator's",
    ),
    case("an iss for the generated secret", issuers({**GENERATED, "issuer": "x"}), "only defaultScopes of its own"),
    case("a name for nothing", issuers({**GENERATED, "audience": "x"}), "only defaultScopes of its own"),
    case("the iss of generated secrets", issuers({**JWKS, "issuer": "agentos.hyvve.io"}), "issuer of generated"),
    case("one iss twice", issuers(JWKS, {**JWKS, "name": "other"}), "two entries have the same issuer"),
    case("one name twice", issuers(JWKS, {**KEY, "name": "app"}), "Duplicate value"),
    case("two generated secrets", issuers(GENERATED, {**GENERATED, "name": "b"}), "one generated secret"),
    case("the Control Plane's name", issuers({**JWKS, "name": "control-plane"}), "spec.controlPlane's"),
    case("no issuer at all", issuers(), "issuers", "at least 1"),
    case("another type", issuers({**JWKS, "type": "LDAP"}), "Unsupported value"),
    case("a claim that means something else", issuers({**JWKS, "workspaceClaim": "sub"}), "a claim of its own"),
    case(
        "an administrator by default", issuers({**JWKS, "defaultScopes": ["agent_os:admin"]}), "sees every user's data"
    ),
    case("a scope that is none", issuers({**JWKS, "defaultScopes": ["run"]}), "defaultScopes"),
    case("an unknown field", issuers({**JWKS, "jwksUri": "x"}), "jwksUri"),
    case("a Control Plane without a key", control_plane(), "with the key that the Control Plane shows"),
    case("a Control Plane with two", control_plane(publicKey=PEM, publicKeySecretRef=REFERENCE), "exactly one"),
    case("every origin", origins("*"), "exact origin"),
    case("a wildcard in an origin", origins("https://*.example.com"), "exact origin"),
    case("an origin with a slash", origins("https://app.example.com/"), "exact origin"),
    case("an origin with a path", origins("https://app.example.com/x"), "exact origin"),
    case("an origin without TLS", origins("http://app.example.com"), "exact origin"),
    case("the origin null", origins("null"), "exact origin"),
    case("every origin of a Control Plane", control_plane(publicKey=PEM, allowedOrigins=["*"]), "exact origin"),
]


@pytest.mark.parametrize(("body", "words"), REFUSED)
def test_what_would_open_a_hole_is_refused_in_words(
    api_server: ApiServer, fresh_name: Callable[[], str], body: Object, words: tuple[str, ...]
) -> None:
    with pytest.raises(RefusedError) as caught:
        api_server.create({**body, "metadata": {"name": fresh_name()}})
    for word in words:
        assert word in str(caught.value)
