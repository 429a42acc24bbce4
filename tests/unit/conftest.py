"""Settings of the unit tests: hypothesis without its stopwatch, as a busy machine is not a bug."""

from hypothesis import settings

settings.register_profile("unit", deadline=None, max_examples=60)
settings.load_profile("unit")
