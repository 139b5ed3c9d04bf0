"""The operator's configuration, read once at startup by ``__main__`` and passed to whoever needs it.

The file is YAML with the same names in camelCase, written by the chart. An unknown, missing or wrong field is a
SettingsError that names it.

::

    whole        Settings, everything that an administrator decides, and load
    ├── routing      how callers come in
    ├── database     the PostgreSQL servers
    │   └── network  DNS, and what else NetworkPolicies must know
    ├── quota        how large workspaces may be
    ├── isolation    how their isolation is tried out
    └── section      what all of these have in common
"""

from agentos_operator.settings.database import DatabaseServer
from agentos_operator.settings.network import DnsSettings, NetworkSettings, PodPeer, ServiceName
from agentos_operator.settings.quota import QuotaProfile, QuotaResources
from agentos_operator.settings.routing import Gateway, MainApi, Routing
from agentos_operator.settings.whole import MemberClusterRoles, Settings, load

__all__ = [
    "DatabaseServer",
    "DnsSettings",
    "Gateway",
    "MainApi",
    "MemberClusterRoles",
    "NetworkSettings",
    "PodPeer",
    "QuotaProfile",
    "QuotaResources",
    "Routing",
    "ServiceName",
    "Settings",
    "load",
]
