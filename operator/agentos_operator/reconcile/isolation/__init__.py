"""The condition IsolationVerified: what a pod in the workspace's own Namespace found when it tried to get out.

``schedule`` says when a run is due, ``targets`` what is tried, ``probe`` runs the pod, ``report`` reads what it left,
``verify`` puts them together, ``aspect`` tells it in the Workspace's status (docs/isolation.md).
"""
