"""Where a set of keys may be fetched from, and what is taken of the answer, with real servers that misbehave."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agentos_runtime.auth import fetch as fetching
from agentos_runtime.auth.addresses import Reach, may_call, reach_of
from agentos_runtime.auth.fetch import LARGEST, Fetch, FetchFailed
from tests.unit.runtime.signing import P256

PUBLIC_ADDRESSES = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]
CLUSTER_ADDRESSES = ["10.96.0.10", "172.20.1.1", "192.168.1.1", "100.64.3.4", "fd12:3456::1"]
CLOSED_ADDRESSES = [
    *("127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::", "169.254.169.254", "169.254.1.1", "fe80::1", "fe80::1%eth0"),
    *("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
]


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_addresses_may_be_called(address: str) -> None:
    assert may_call(address, Reach.PUBLIC)


@pytest.mark.parametrize("address", CLUSTER_ADDRESSES)
def test_private_addresses_only_for_a_service_of_the_cluster(address: str) -> None:
    assert not may_call(address, Reach.PUBLIC)
    assert may_call(address, Reach.CLUSTER)


@pytest.mark.parametrize("address", CLOSED_ADDRESSES)
def test_this_machine_and_metadata_never(address: str) -> None:
    assert not may_call(address, Reach.PUBLIC)
    assert not may_call(address, Reach.CLUSTER)


@pytest.mark.parametrize("address", ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"])
def test_a_private_address_in_the_clothes_of_another_is_private(address: str) -> None:
    assert not may_call(address, Reach.PUBLIC)


@pytest.mark.parametrize(
    ("host", "laptop", "reach"),
    [
        ("app.example.com", False, Reach.PUBLIC),
        ("api.hyvve.svc", False, Reach.CLUSTER),
        ("api.hyvve.svc.cluster.local", False, Reach.CLUSTER),
        ("api.hyvve.svc.evil.example", False, Reach.PUBLIC),
        ("localhost", False, Reach.PUBLIC),
        ("localhost", True, Reach.LOOPBACK),
        ("127.0.0.1", True, Reach.PUBLIC),
    ],
)
def test_the_hosts_name_says_how_far_it_may_lead(host: str, laptop: bool, reach: Reach) -> None:
    assert reach_of(host, laptop=laptop) is reach


@pytest.mark.parametrize("uri", ["http://app.example.com/jwks", "http://localhost/jwks", "ftp://api.hyvve.svc/jwks"])
def test_without_https_only_a_service_of_the_cluster_is_asked(uri: str) -> None:
    with pytest.raises(FetchFailed, match="needs https"):
        Fetch(uri)
    assert Fetch("http://api.hyvve.svc/jwks")


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1"], ["10.0.0.1", "169.254.169.254"]], ids=str)
async def test_a_name_that_leads_nowhere_allowed_is_not_connected_to(addresses: list[str]) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        assert (host, port) == ("app.example.com.", 443)
        return addresses

    with pytest.raises(FetchFailed, match="no address that may be called"):
        await Fetch("https://app.example.com/jwks", resolve=resolve)()


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254"])
async def test_a_service_of_the_cluster_leads_neither_to_this_machine_nor_to_metadata(address: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        assert (host, port) == ("api.hyvve.svc", 3000)
        return [address]

    with pytest.raises(FetchFailed, match="no address that may be called"):
        await Fetch("http://api.hyvve.svc:3000/jwks", resolve=resolve)()


async def test_a_name_that_does_not_exist_is_a_failure_like_any_other() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    with pytest.raises(FetchFailed, match="cannot be resolved"):
        await Fetch("https://app.example.com/jwks", resolve=resolve)()


@asynccontextmanager
async def listening(answer: bytes, *, drip: float = 0.0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server on this machine that sends `answer` to whatever it is asked, a byte at a time where it drips."""
    heard: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
            for piece in [bytes([byte]) for byte in answer] if drip else [answer]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(drip)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield Server(server.sockets[0].getsockname()[1], heard)
    finally:
        server.close()


class Server:
    """Where it listens and what it heard."""

    def __init__(self, port: int, heard: list[str]) -> None:
        self.port = port
        self.heard = heard

    @property
    def fetch(self) -> Fetch:
        return Fetch(f"http://localhost:{self.port}/api/auth/jwks?x=1", laptop=True)


def response(status: str, body: bytes = b"{}", *headers: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers])
    return head.encode() + b"\r\n\r\n" + body


async def test_one_plain_request_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with listening(response("200 OK", b'{"keys": []}')) as server:
        assert await server.fetch() == b'{"keys": []}'
        [request] = server.heard
    assert request.startswith("GET /api/auth/jwks?x=1 HTTP/1.1\r\n")
    assert f"host: localhost:{server.port}\r\n" in request.lower()
    assert "authorization" not in request.lower()
    assert "cookie" not in request.lower()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_a_redirect_is_not_followed(status: str) -> None:
    async with listening(response("200 OK")) as target:
        location = f"location: http://localhost:{target.port}/latest/meta-data"
        async with listening(response(status, b"", location)) as server:
            with pytest.raises(FetchFailed, match=f"its answer was {status[:3]}"):
                await server.fetch()
        assert not target.heard


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (response("404 Not Found"), "its answer was 404"),
        (response("500 Internal Server Error"), "its answer was 500"),
        (response("204 No Content", b""), "its answer was 204"),
        (response("200 OK", b"x" * (LARGEST + 1)), "larger than 65536 bytes"),
        (response("200 OK", b"\x1f\x8b", "content-encoding: gzip"), "compressed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", "cannot be read"),
        (b"not http at all\r\n\r\n", "cannot be read"),
        (b"", "cannot be read"),
    ],
    ids=["404", "500", "204", "too large", "compressed", "cut short", "no HTTP", "nothing"],
)
async def test_an_answer_of_another_form_is_a_failure(answer: bytes, says: str) -> None:
    async with listening(answer) as server:
        with pytest.raises(FetchFailed, match=says):
            await server.fetch()


async def test_an_answer_that_drips_is_given_up_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes well within the time that a read may take; all together do not."""
    monkeypatch.setattr(fetching, "TIMEOUT", 0.3)
    async with listening(response("200 OK", b"x" * 1000), drip=0.05) as server:
        began = time.monotonic()
        with pytest.raises(FetchFailed, match="no whole answer"):
            await server.fetch()
        assert time.monotonic() - began < 2


async def test_the_event_loop_turns_while_a_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> list[tuple[object, ...]]:
        asked.set()
        may_answer.wait(10)
        raise OSError("no such name")

    monkeypatch.setattr("socket.getaddrinfo", slow)
    attempt = asyncio.create_task(Fetch("https://app.example.com/jwks")())
    await asyncio.to_thread(asked.wait, 10)
    assert not attempt.done()
    may_answer.set()
    with pytest.raises(FetchFailed):
        await attempt


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for `localhost` that signs itself."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(P256.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(P256, hashes.SHA256())
    )
    key = P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "server.pem"
    path.write_bytes(key + built.public_bytes(Encoding.PEM))
    return path


@asynccontextmanager
async def listening_with_tls(certificate: Path) -> AsyncIterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with listening(response("200 OK", b'{"keys": []}'), tls=context) as server:
        yield server


def trusting(certificate: Path) -> Callable[[], ssl.SSLContext]:
    return lambda: ssl.create_default_context(cafile=certificate)


async def test_the_certificate_must_be_for_the_hosts_name_although_an_address_is_called(certificate: Path) -> None:
    async with listening_with_tls(certificate) as server:
        uri = f"https://localhost:{server.port}/jwks"
        assert await Fetch(uri, laptop=True, authorities=trusting(certificate))() == b'{"keys": []}'

        async def elsewhere(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        other = Fetch(uri, laptop=True, resolve=elsewhere, authorities=trusting(certificate))
        other._uri = other._uri._replace(netloc=f"other.example:{server.port}")
        with pytest.raises(FetchFailed, match="cannot be read"):
            await other()


async def test_a_certificate_of_an_unknown_authority_is_refused_whatever_the_environment_trusts(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with listening_with_tls(certificate) as server:
        with pytest.raises(FetchFailed, match="cannot be read"):
            await Fetch(f"https://localhost:{server.port}/jwks", laptop=True)()


async def test_a_text_may_be_larger_than_a_set_of_keys_and_is_asked_for_as_one() -> None:
    body = b"x" * (2 * LARGEST)
    async with listening(response("200 OK", body)) as server:
        fetch = Fetch(f"http://localhost:{server.port}/a.txt", laptop=True, accept="text/plain", largest=2 * LARGEST)
        assert await fetch() == body
        assert "accept: text/plain" in server.heard[0].lower()
        with pytest.raises(FetchFailed, match=f"larger than {LARGEST} bytes"):
            await Fetch(f"http://localhost:{server.port}/a.txt", laptop=True, largest=LARGEST)()
