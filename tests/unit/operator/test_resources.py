"""Paths of objects, and their metric labels, which never contain an object's name."""

import pytest

from penstock_operator.kube import resources
from penstock_operator.kube.resources import DEPLOYMENTS, PODS, Collection


def test_resources_have_paths_of_collection_object_and_subresource() -> None:
    assert PODS.path("ns") == "/api/v1/namespaces/ns/pods"
    assert DEPLOYMENTS.path("ns", "d") == "/apis/apps/v1/namespaces/ns/deployments/d"
    assert DEPLOYMENTS.path("ns", "d", "scale") == "/apis/apps/v1/namespaces/ns/deployments/d/scale"


@pytest.mark.parametrize("resource", resources.ALL, ids=lambda resource: resource.plural)
def test_resources_are_found_by_object_and_by_collection_path(resource: resources.Resource) -> None:
    assert resources.of_object({"apiVersion": resource.api_version, "kind": resource.kind}) == resource
    assert resources.of_path(resource.path("ns")) == Collection(resource, "ns")
    assert resources.of_path(resource.path("ns", "name")) is None


def test_resources_reject_an_object_of_another_kind() -> None:
    with pytest.raises(LookupError):
        resources.of_object({"apiVersion": "v1", "kind": "ConfigMap"})


@pytest.mark.parametrize(
    ("path", "label"),
    [
        (PODS.path("ns"), "pods"),
        (PODS.path("ns", "some-name"), "pods"),
        (DEPLOYMENTS.path("ns", "some-name", "scale"), "deployments/scale"),
        ("/api/v1", "discovery"),
        ("/apis/apps/v1", "discovery"),
        ("/api/v1/namespaces/ns/configmaps/some-name", "discovery"),
    ],
)
def test_resources_label_is_the_kind_and_never_a_name(path: str, label: str) -> None:
    assert resources.label(path) == label
