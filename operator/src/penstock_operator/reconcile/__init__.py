"""From a ModelRoute to the objects of its workers: plan, manifests, drift, apply."""
