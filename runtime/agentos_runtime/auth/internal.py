"""The token that agno sees in place of the caller's: short, of one kind, worth nothing outside this process.

agno verifies one algorithm with keys that it is given at start. So it never sees an issuer's key, and no token of a
caller reaches code that could store or log it (docs/decisions/0017). `middleware.py` signs, `app.py` tells agno the
secret.
"""

from __future__ import annotations

import secrets
import time

from agentos_runtime.auth.tokens import Identity

ALGORITHM = "HS256"
ISSUER = "agentos-runtime"
AUDIENCE = "agno"
SECONDS = 60
"""agno looks at it once, when the request begins."""


class InternalTokens:
    """Signs with a secret that this process made up for itself."""

    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(32)

    def header_for(self, identity: Identity) -> tuple[bytes, bytes]:
        """The Authorization header that says who a verified caller is, and what they may do."""
        import jwt  # noqa: PLC0415 - imported with the first token: a start does not need it

        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": identity.user,
            "scopes": list(identity.scopes),
            "iat": now,
            "exp": now + SECONDS,
        }
        return b"authorization", b"Bearer " + jwt.encode(claims, self.secret, algorithm=ALGORITHM).encode()
