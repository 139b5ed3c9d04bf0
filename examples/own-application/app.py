"""A plain FastAPI application under the isolation of a workspace: it answers the probes and checks its callers' tokens.

docs/own-image.md says what a pod is given and what must answer.
"""

from __future__ import annotations

import os
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
REQUIRED = ["aud", "exp", "iat", "iss", "sub"]


def user(authorization: Annotated[str, Header()] = "") -> str:
    """Who asks: only tokens of this workspace get in. Two secrets are valid while one replaces the other."""
    token = authorization.removeprefix("Bearer ")
    for secret in os.environ["AGENTOS_JWT_VERIFICATION_SECRETS"].split():
        try:
            claims = jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                audience=os.environ["AGENTOS_JWT_AUDIENCE"],
                issuer=os.environ["AGENTOS_JWT_ISSUER"],
                options={"require": REQUIRED},
            )
        except jwt.InvalidTokenError:
            continue
        if claims.get("workspace_id") == os.environ["AGENTOS_WORKSPACE"]:
            return str(claims["sub"])
    raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})


@app.get("/livez")
async def alive() -> dict[str, str]:
    """Whether the process is worth keeping: a restart follows when this fails."""
    return {"status": "alive"}


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Whether callers are to be led here; ask what you cannot do without, such as the database."""
    return {"status": "ready"}


@app.get("/quote")
async def quote(name: Annotated[str, Depends(user)]) -> dict[str, str]:
    """What the application is for."""
    return {"to": name, "quote": "Simple things should be simple."}
