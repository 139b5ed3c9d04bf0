"""The project's own local Kubernetes cluster: real parts, no Docker; `python -m local --help` lists what it does."""
