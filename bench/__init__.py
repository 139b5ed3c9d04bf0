"""Measures what design goals speak of: `python -m bench [names]`; docs/benchmarks.md says what each figure means."""
