"""Settings of the unit tests: hypothesis has no deadline, because a busy machine is no bug."""

from hypothesis import settings

settings.register_profile("unit", deadline=None, max_examples=60)
settings.load_profile("unit")
