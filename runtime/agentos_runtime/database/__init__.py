"""The workspace's own database: an engine that gives up in time, its tables, and whether it answers."""
