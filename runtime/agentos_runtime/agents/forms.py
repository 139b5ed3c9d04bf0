"""JSON Schemas of inputs and outputs: agno wants pydantic's classes.

json-schema-to-pydantic makes them; agno's own converter knows neither enumerations nor bounds nor references.
"""

from __future__ import annotations

import re

from pydantic import BaseModel

from agentos_runtime.errors import Reason, StartupError
from agentos_spec import JsonSchema


def compile_form(form: JsonSchema, name: str) -> type[BaseModel]:
    """The class, under the schema's title or else `name`; providers show it to the model."""
    # Most deployments have no form.
    from json_schema_to_pydantic import create_model  # type: ignore[import-untyped]  # noqa: PLC0415

    title = re.sub(r"\W", "_", str(form.schema.get("title") or name))
    try:
        made: type[BaseModel] = create_model({**form.schema, "title": title})
    except Exception as error:  # the library, pydantic and its core each raise their own
        why = " ".join(str(error).split())[:300]
        message = f"{form.path}: is no JSON Schema that can be followed: {why}; change it"
        raise StartupError(Reason.INVALID_SPEC, message) from error
    return made
