"""The ModelRoute: spec, status, pod fields and validation rules."""
