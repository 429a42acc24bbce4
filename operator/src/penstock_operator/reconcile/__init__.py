"""Reconciles a ModelRoute with the objects of its workers: plan, manifests, drift, apply."""
