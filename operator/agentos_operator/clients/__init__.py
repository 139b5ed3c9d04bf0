"""The only modules that do I/O: the API server and PostgreSQL."""
