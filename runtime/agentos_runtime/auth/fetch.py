"""Fetches a set of keys or a text: one GET, bounded in time and size, to an address that was looked at, never onwards.

Called by `jwks.py` when keys are missing or old, and for the sources of knowledge. Redirects, proxies of the
environment and compressed answers are not followed, used or unpacked.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from agentos_runtime.auth.addresses import Reach, may_call, reach_of

if TYPE_CHECKING:
    import httpx

TIMEOUT = 5.0
"""Seconds for everything together: resolving, connecting, reading."""
LARGEST = 64 * 1024
_MOST_ADDRESSES = 3
_KEYS = "application/jwk-set+json, application/json"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host."""


class FetchFailed(Exception):
    """Why there is no answer to use, for the log."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask DNS, in a thread."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def public_authorities() -> ssl.SSLContext:
    """Certificates are judged by the authorities of the image, whatever the environment names."""
    import certifi  # noqa: PLC0415 - needed by issuers with a set of keys alone

    return ssl.create_default_context(cafile=certifi.where())


class Fetch:
    """One URI."""

    def __init__(
        self,
        uri: str,
        *,
        laptop: bool = False,
        accept: str = _KEYS,
        largest: int = LARGEST,
        resolve: Resolve = resolve,
        authorities: Callable[[], ssl.SSLContext] = public_authorities,
    ) -> None:
        self._uri = urlsplit(uri)
        self._reach = reach_of(self._uri.hostname or "", laptop=laptop)
        self._accept = accept
        self._largest = largest
        self._resolve = resolve
        self._authorities = authorities
        self._tls: ssl.SSLContext | None = None
        if self._uri.scheme != "https" and (self._uri.scheme != "http" or self._reach is Reach.PUBLIC):
            raise FetchFailed("a set of keys needs https, unless its host is a Service of the cluster (….svc)")

    async def __call__(self) -> bytes:
        """The body of the answer; FetchFailed where there is none to use."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._try_addresses()
        except TimeoutError:
            raise FetchFailed(f"no whole answer within {TIMEOUT:g} s") from None
        except OSError as error:
            raise FetchFailed(f"the host cannot be resolved ({type(error).__name__})") from None

    async def _try_addresses(self) -> bytes:
        host, port = self._uri.hostname or "", self._uri.port or (443 if self._uri.scheme == "https" else 80)
        # With a dot at its end a public name is looked up as it is, and not first below the cluster's own domains.
        name = f"{host}." if self._reach is Reach.PUBLIC else host
        allowed = [each for each in await self._resolve(name, port) if may_call(each, self._reach)]
        failure = FetchFailed("its host leads to no address that may be called")
        for address in allowed[:_MOST_ADDRESSES]:
            try:
                return await self._get(address)
            except FetchFailed as error:
                failure = error
        raise failure

    async def _get(self, address: str) -> bytes:
        import httpx  # noqa: PLC0415 - needed by issuers with a set of keys alone

        uri = httpx.URL(self._uri.geturl())
        if self._tls is None:
            self._tls = await asyncio.to_thread(self._authorities)
        client = httpx.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False, timeout=TIMEOUT)
        request = client.build_request(
            "GET",
            uri.copy_with(host=address),
            headers={"accept": self._accept, "accept-encoding": "identity", "host": _authority(self._uri)},
            extensions={"sni_hostname": uri.host},
        )
        try:
            async with client:
                return await _body(await client.send(request, stream=True), self._largest)
        except httpx.HTTPError as error:
            raise FetchFailed(f"it cannot be read ({type(error).__name__})") from None


def _authority(uri: SplitResult) -> str:
    return uri.netloc.rpartition("@")[2]


async def _body(response: httpx.Response, largest: int) -> bytes:
    """The whole of a plain 200."""
    try:
        if response.status_code != 200:
            raise FetchFailed(f"its answer was {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FetchFailed("its answer is compressed although that was not asked for")
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > largest:
                raise FetchFailed(f"its answer is larger than {largest} bytes")
        return body
    finally:
        await response.aclose()
