"""A counter that the metrics exporter reads: an `add` of OpenTelemetry's own counters takes 10 µs."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from opentelemetry.metrics import CallbackOptions, Meter, Observation


class ObservableCounter:
    """One counter. The label values must be few, because each combination is kept.

    `known` are label values that may occur: those without a count are 0 from the start. A series that begins with its
    first event has no increase, so that an alert on it stays silent.
    """

    def __init__(
        self,
        meter: Meter,
        name: str,
        *,
        unit: str = "",
        description: str,
        known: Callable[[], Iterable[Mapping[str, str]]] = tuple,
    ) -> None:
        self._known = known
        self._sums: defaultdict[tuple[tuple[str, str], ...], float] = defaultdict(float)
        meter.create_observable_counter(name, [self._observe], unit=unit, description=description)

    def add(self, amount: float, labels: Mapping[str, str]) -> None:
        self._sums[tuple(labels.items())] += amount

    def _observe(self, _options: CallbackOptions) -> list[Observation]:
        """Runs in the exporter's thread."""
        sums = {tuple(labels.items()): 0.0 for labels in self._known()} | self._sums
        return [Observation(amount, dict(labels)) for labels, amount in sums.items()]
