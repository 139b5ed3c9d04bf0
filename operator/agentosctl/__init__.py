"""The command line for people: `agentosctl`, also installed as the kubectl plugin `kubectl agentos`.

It acts with the caller's own Kubernetes rights alone. With both programs it shares the check of documents,
`agentos_spec`, and no other code: what it knows of them is their public surface, the resources' status and the Secret
that tokens are signed with.
"""
