"""What others put into an object of ours is told from what the API server completes it with."""

from __future__ import annotations

from typing import Any

import pytest

from agentos_operator.reconcile.strangers import RESTARTED_AT, additions, is_contained, must_be_remade, replacement

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


# What need not be applied again.

OWNER = {"kind": "AgentDeployment", "name": "support", "uid": "o"}


def wanted(**metadata: Any) -> Object:
    """A Service as we send it."""
    metadata = {"name": "support", "labels": {"a": "b"}, "ownerReferences": [OWNER]} | metadata
    return {"kind": "Service", "metadata": metadata, "spec": {"ports": [{"name": "http", "port": 80}]}}


def found(*, manager: str = "agentos-operator", sent: Object | None = None, **spec: Any) -> Object:
    """The same as the API server stored it, with what ``manager`` is said to have sent."""
    port = {"name": "http", "port": 80, "protocol": "TCP"}
    item = 'k:{"port":80,"protocol":"TCP"}'
    fields = {
        "f:metadata": {"f:labels": {"f:a": {}}, "f:ownerReferences": {'k:{"uid":"o"}': {}}},
        "f:spec": {"f:ports": {item: {".": {}, "f:name": {}, "f:port": {}}}, **(sent or {})},
    }
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    labels = {"a": "b", "somebodys": "own"}
    metadata = {**wanted()["metadata"], "labels": labels, "managedFields": [entry]}
    return {"kind": "Service", "metadata": metadata, "spec": {"type": "ClusterIP", "ports": [port], **spec}}


def test_what_is_there_as_we_sent_it_need_not_be_sent_again() -> None:
    assert is_contained(wanted(), found())


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        (wanted(), found(ports=[{"name": "http", "port": 81}])),
        (wanted(), found(ports=[])),
        (wanted(labels={"a": "c"}), found()),
        (wanted(annotations={"new": "x"}), found()),
        (wanted(ownerReferences=[{**OWNER, "uid": "another"}]), found()),
        (wanted(), found(manager="kubectl")),
    ],
)
def test_any_difference_is_applied(desired: Object, live: Object) -> None:
    assert not is_contained(desired, live)


def test_a_field_that_we_sent_and_do_not_say_any_more_is_given_up_by_an_apply() -> None:
    assert not is_contained(wanted(), found(sent={"f:replicas": {}}, replicas=3))
    assert not is_contained(wanted(labels={}), found())
