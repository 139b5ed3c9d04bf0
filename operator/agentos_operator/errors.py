"""Errors of the operator's edges, raised by ``clients.kubernetes`` and understood by ``reconcile``.

::

    OperatorError
    ├── ApiError                the API server answered, or could not be asked
    │   ├── ApiUnavailable      no answer, 429 or 5xx: try again later
    │   ├── Forbidden           403: a right is missing, or the namespace is going away
    │   ├── NotFound            404: the object, or the whole kind, does not exist
    │   ├── Conflict            409: somebody wrote in between
    │   └── Invalid             400 or 422: the object itself is refused
    ├── NotOwned                an object of our name belongs to somebody else
    └── SettingsError           the operator's own configuration cannot be used

PostgreSQL's errors are drawn in ``clients.postgres``.
"""

from __future__ import annotations


class OperatorError(Exception):
    """Base of all errors that the operator raises on purpose; its text holds no secret."""


class ApiError(OperatorError):
    """The API server refused or did not answer."""


class ApiUnavailable(ApiError):
    """No answer, or one that says to come back later."""


class Forbidden(ApiError):
    """The operator's rights do not reach, or the namespace takes no new objects."""


class NotFound(ApiError):
    """The object or its kind does not exist."""


class Conflict(ApiError):
    """The object changed between reading and writing, or its UID is another one."""


class Invalid(ApiError):
    """The API server refuses the object as it is."""


class NotOwned(OperatorError):
    """An object that we would write exists and is not controlled by our resource's UID."""


class SettingsError(OperatorError):
    """The configuration file is missing or wrong; the text names the field."""
