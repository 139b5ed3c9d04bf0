"""What others put into an object of ours is told from what the API server completes it with."""

from __future__ import annotations

from typing import Any

import pytest

from agentos_operator.reconcile.strangers import RESTARTED_AT, additions, must_be_remade, replacement

Object = dict[str, Any]


def service(**spec: Any) -> Object:
    return {"kind": "Service", "metadata": {"uid": "u"}, "spec": {"type": "ClusterIP", "ports": [{"port": 80}], **spec}}


def deployment(*, replicas: int | None = None, **annotations: str) -> Object:
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": []}}
    spec = {"template": template} | ({} if replicas is None else {"replicas": replicas})
    return {"kind": "Deployment", "metadata": {"uid": "u"}, "spec": spec}


def test_objects_of_one_kind_with_the_same_defaults_need_no_second_look() -> None:
    first = service(sessionAffinity="None", clusterIP="10.96.0.1", clusterIPs=["10.96.0.1"])
    second = service(sessionAffinity="None", clusterIP="10.96.0.2", clusterIPs=["10.96.0.2"])
    assert additions(service(), first) == additions(service(), second)


@pytest.mark.parametrize(
    "extra",
    [
        {"externalIPs": ["1.2.3.4"]},
        {"ports": [{"port": 80, "nodePort": 30000}]},
        {"ports": [{"port": 80}, {"port": 1}]},
    ],
)
def test_an_addition_anywhere_is_looked_at(extra: Object) -> None:
    assert additions(service(), service(**extra)) != additions(service(), service())


def test_the_same_addition_to_another_kind_is_looked_at_for_itself() -> None:
    other = {**service(), "kind": "Other"}
    assert additions(service(), service(x=1)) != additions(other, {**service(x=1), "kind": "Other"})


def test_only_the_same_object_is_replaced_and_what_it_must_not_have_goes() -> None:
    live = {**service(externalIPs=["1.2.3.4"]), "binaryData": {}, "status": {"loadBalancer": {}}}
    assert replacement(service(), live) == [
        {"op": "test", "path": "/metadata/uid", "value": "u"},
        {"op": "add", "path": "/spec", "value": service()["spec"]},
        {"op": "remove", "path": "/binaryData"},
    ]


def test_a_restart_by_an_administrator_and_an_autoscalers_number_stay_and_nothing_else() -> None:
    live = deployment(replicas=7, **{RESTARTED_AT: "now", "other": "x"})
    (_, change) = replacement(deployment(ours="1"), live)
    assert change["value"]["replicas"] == 7
    assert change["value"]["template"]["metadata"]["annotations"] == {"ours": "1", RESTARTED_AT: "now"}


def test_our_own_number_of_pods_wins() -> None:
    (_, change) = replacement(deployment(replicas=2), deployment(replicas=7))
    assert change["value"]["replicas"] == 2


@pytest.mark.parametrize(
    ("desired", "live", "remade"),
    [
        ({"data": {}}, {"data": {}, "immutable": True}, True),
        ({"data": {}, "immutable": True}, {"data": {}, "immutable": True}, False),
        ({"roleRef": {"name": "a"}}, {"roleRef": {"name": "b"}}, True),
        ({"spec": {}}, {"spec": {"x": 1}}, False),
    ],
)
def test_what_no_write_can_change_is_made_anew(desired: Object, live: Object, remade: bool) -> None:
    assert must_be_remade(desired, live) is remade
