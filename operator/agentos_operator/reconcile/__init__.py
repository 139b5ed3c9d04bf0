"""One level-based function for each resource: read what is, apply what should be, tell it in status."""
