"""The only modules that talk to something outside the process."""
