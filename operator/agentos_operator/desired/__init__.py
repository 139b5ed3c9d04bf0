"""Pure builders of the objects that we own, one kind a file; no client, no clock, no randomness."""
