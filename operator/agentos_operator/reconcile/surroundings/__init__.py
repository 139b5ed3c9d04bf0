"""Finds out where DNS, the Gateway's proxies and the PostgreSQL servers stand, unless the configuration says so.

``services`` reads what a Service says, ``dns``, ``databases`` and ``gateway`` each look for one thing, ``look_around``
puts the answers together and has the workspaces' policies follow, ``memory`` keeps them, ``record`` over restarts,
``aspect`` tells a Workspace what could not be found.

Nothing that a tenant can write is believed (docs/decisions/0027-what-the-network-is-found-out-from.md), and nothing
here takes a right that the operator did not have: it may list Services because it watches its own.
"""
