"""Sends the requests of one HTTP API, and says in words for the model what came of each. Called by `openapi`.

What holds for key sets and for texts of knowledge (`auth/fetch.py`) holds here, but that an API may have a private
address: the Workspace's network says which of those are open. The pod's own addresses, its neighbours' and those of a
cloud's metadata are called by nobody, and the connection goes to the address that was looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agentos_runtime.agents.api_requests import ApiRequest
from agentos_runtime.auth.addresses import Reach, may_call
from agentos_runtime.auth.fetch import resolve
from agentos_spec import OpenApiSpec

if TYPE_CHECKING:
    import ssl

    import httpx

_LONGEST_ERROR = 2_000
"""Bytes of an answer that says no: what is wrong stands at its beginning."""
_SHORTEST_SECRET = 6
"""A shorter value would be struck out of words that hold it by chance."""
_TEXT = ("text/", "application/json", "application/xml", "application/x-www-form-urlencoded", "application/yaml")
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class ApiClient:
    """One API."""

    def __init__(
        self,
        spec: OpenApiSpec,
        headers: Mapping[str, str],
        secrets: Collection[str],
        *,
        laptop: bool,
        resolve: Resolve = resolve,
    ) -> None:
        self._spec = spec
        self._base = urlsplit(spec.base_url)
        self._headers = headers
        self._secrets = sorted((each for each in secrets if len(each) >= _SHORTEST_SECRET), key=len, reverse=True)
        self._reaches = (Reach.CLUSTER, Reach.LOOPBACK) if laptop else (Reach.CLUSTER,)
        self._resolve = resolve
        self._tls: ssl.SSLContext | None = None

    async def send(self, request: ApiRequest) -> str:
        """What the API answered, or why there is no answer; never raises."""
        import httpx  # noqa: PLC0415 - only for who declares an API, and not before a call

        name, seconds = self._spec.name, self._spec.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                return self._without_secrets(await self._send(request, await self._address()))
        except TimeoutError:
            return f"The API {name!r} has not answered within {seconds} seconds; whether it did the work is not known."
        except OSError:
            return f"The host of the API {name!r} cannot be resolved, or has no address that may be called."
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"The API {name!r} cannot be reached ({type(error).__name__})."

    async def _address(self) -> str:
        port = self._base.port or (443 if self._base.scheme == "https" else 80)
        for address in await self._resolve(self._base.hostname or "", port):
            if any(may_call(address, reach) for reach in self._reaches):
                return address
        raise OSError

    async def _send(self, request: ApiRequest, address: str) -> str:
        import httpx  # noqa: PLC0415 - as above

        if self._tls is None:
            self._tls = await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)
        seconds = self._spec.timeout_seconds
        # Neither proxies nor passwords of the environment, and nothing that would have to be closed with the process.
        async with httpx.AsyncClient(
            verify=self._tls, trust_env=False, follow_redirects=False, timeout=seconds
        ) as client:
            url = httpx.URL(self._spec.base_url + request.target)
            built = client.build_request(
                request.method,
                url.copy_with(host=address),
                headers=self._sent(request),
                content=request.body,
                extensions={"sni_hostname": url.host},
            )
            response = await client.send(built, stream=True)
            try:
                return await self._told(response)
            finally:
                await response.aclose()

    def _sent(self, request: ApiRequest) -> dict[str, str]:
        """What the spec says goes before what a model says, in whatever case a name is written."""
        chosen = {"accept": "application/json, text/*;q=0.9, */*;q=0.1", "user-agent": "agentos-runtime"}
        ours = {"host": self._base.netloc, "accept-encoding": "identity"}
        given = [*chosen.items(), *request.headers.items(), *self._headers.items(), *ours.items()]
        return {name.lower(): value for name, value in given}

    async def _told(self, response: httpx.Response) -> str:
        """An answer in words."""
        status = f"{response.status_code} {response.reason_phrase}".strip()
        type_ = response.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
        if 300 <= response.status_code < 400:
            return f"The API answered {status} and refers to another address, which is not followed."
        is_error = response.status_code >= 400
        most = min(self._spec.max_response_bytes, _LONGEST_ERROR) if is_error else self._spec.max_response_bytes
        if response.headers.get("content-encoding", "identity") != "identity":
            return f"The API answered {status}, compressed although that was not asked for."
        if not (type_.startswith(_TEXT) or type_.endswith(("+json", "+xml"))):
            return f"The API answered {status} with {type_[:100]}, which is no text."
        text = await _text(response, most)
        if is_error:
            return f"The API answered {status}: {text}" if text else f"The API answered {status}."
        return text or f"Done: the API answered {status} without a text."

    def _without_secrets(self, text: str) -> str:
        """An API may repeat a request in its answer, headers and all."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text


async def _text(response: httpx.Response, most: int) -> str:
    """As much as there may be; what follows is not read."""
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most:
            return body[:most].decode(errors="replace") + f"\n[cut: the answer is longer than {most} bytes]"
    return body.decode(errors="replace")
