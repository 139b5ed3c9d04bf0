"""`agentos-runtime verify-isolation`: tries what a hostile tenant would try, from where it would try it.

The operator starts it as a pod in the workspace's own Namespace, with the workspace's own credentials, and reads what
came of it from the pod's termination message (docs/isolation.md). It imports little, so that it starts fast.
"""
