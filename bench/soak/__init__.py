"""Hours of random life cycles on a real cluster: what grows in the operator, and what is left behind."""
