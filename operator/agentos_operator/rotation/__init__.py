"""Rotation of a workspace's credentials as pure state machines over its two Secrets (docs/decisions/0008).

::

    schedule     when a rotation is due, and what was asked for
    logins       agentos-database: two login roles that take turns
    keys         agentos-jwt: a signing secret and its successor

Each state is read from a Secret and written back whole, so whoever reads it next goes on from there.
"""
