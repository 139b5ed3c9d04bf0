"""The operator: keeps every Workspace and AgentDeployment as its owner declared it.

Run with ``python -m agentos_operator``. The way of one field through the code is told in docs/architecture.md.
"""
