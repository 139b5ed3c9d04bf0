"""Pages and plots from bench/results: `make bench` and `make faults` write them, docs/reports/ holds them."""
