"""Status and conditions of a ModelRoute, and the pod state that they report."""
