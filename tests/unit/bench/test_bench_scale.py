"""What the scale part reads from the API server's metrics, and what it gives kwok to play."""

from __future__ import annotations

from bench.scale import nodes
from bench.scale.measure import writes

METRICS = """\
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",group="apps",resource="deployments",subresource="",verb="APPLY",version="v1"} 3
apiserver_request_total{code="201",group="apps",resource="deployments",subresource="",verb="POST",version="v1"} 2
apiserver_request_total{code="200",group="apps",resource="deployments",subresource="status",verb="PUT",version="v1"} 4
apiserver_request_total{code="200",group="apps",resource="deployments",subresource="",verb="GET",version="v1"} 900
apiserver_request_total{code="200",group="",resource="nodes",subresource="status",verb="PATCH",version="v1"} 80
apiserver_request_total{code="200",group="coordination.k8s.io",resource="leases",verb="PUT",version="v1"} 70
apiserver_request_total{code="200",group="",resource="secrets",subresource="",verb="DELETE",version="v1"} 1e+00
"""


def test_writes_are_counted_by_resource_without_reads_and_heartbeats() -> None:
    assert writes(METRICS) == {"deployments": 9, "secrets": 1}


def test_a_fleet_fits_on_the_fake_nodes() -> None:
    room = sum(int(node["status"]["allocatable"]["pods"]) for node in nodes.nodes())
    assert room >= 2000
