"""What Prometheus is told: requests, runs, models, streams and the pool, on a port of its own.

No label ever holds what a caller sent: routes are templates, agents and models are those of the spec, statuses are few.
"""

from agentos_runtime.metrics.instruments import Metrics

__all__ = ["Metrics"]
