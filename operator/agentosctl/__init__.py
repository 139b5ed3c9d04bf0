"""The command line for people: `agentosctl`, also installed as the kubectl plugin `kubectl agentos`.

It acts with the caller's own Kubernetes rights alone and shares no code with the operator or the runtime: what it
knows of them is their public surface, the resources' status and the Secret that tokens are signed with.
"""
