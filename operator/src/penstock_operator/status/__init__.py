"""Status and conditions of a ModelRoute, and the state of its pods."""
