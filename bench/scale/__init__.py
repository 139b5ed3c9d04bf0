"""Many workspaces on one machine: a real API server and PostgreSQL, with nodes whose pods kwok pretends to run."""
