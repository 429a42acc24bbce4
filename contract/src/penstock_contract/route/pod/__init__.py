"""Fields of a worker pod that a ModelRoute copies from Kubernetes: placement, containers, volumes."""
