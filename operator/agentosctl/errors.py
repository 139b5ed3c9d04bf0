"""What can go wrong, each as a sentence for the person at the terminal; `cli` prints it and ends with 1.

::

    CliError
    ├── Unreachable      the API server did not answer, or no kubeconfig says where it is
    ├── Unauthorized     401: the API server does not know who asks
    ├── Forbidden        403: it knows, and this person may not
    ├── NotFound         404: there is no such object
    ├── NotInstalled     404: there is no such kind of object; the chart is not installed
    ├── Refused          any other answer of the API server
    └── Invalid          a file has problems; the text lists them, for standard output
"""


class CliError(Exception):
    """Base of all errors that are shown as one sentence; its text holds no secret."""


class Unreachable(CliError):
    """No answer; asking again may help."""


class Unauthorized(CliError):
    """The credentials of the kubeconfig are not accepted."""


class Forbidden(CliError):
    """A right is missing; the text says which."""


class NotFound(CliError):
    """The object does not exist."""


class NotInstalled(CliError):
    """The kind does not exist."""


class Invalid(CliError):
    """A resource has a problem; not a failure of the command, so its text is the answer."""


class Refused(CliError):
    """The API server answered with an error that nobody expected."""
