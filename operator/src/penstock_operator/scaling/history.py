"""The past demand of one route, as far as decisions need it; bounded for every window length and sample rate; pure.

Immutable: each observation makes a new one. It starts empty with the process, and an empty history allows no scale-in.
"""

from typing import Self

from msgspec import Struct
from msgspec.structs import replace

BUCKETS = 30
"""Resolution of a window: a sample leaves it at most a thirtieth of its length too late, never too early."""
BUCKETS_MAX = 2 * BUCKETS
"""More than one window only after its length has changed."""
GAP_MIN_S = 5.0


class Bucket(Struct, frozen=True, gc=False):
    """The samples from `start` to `end`."""

    start: float
    end: float
    peak: int
    total: int
    count: int

    def with_sample(self, value: int, now: float) -> "Bucket":
        return Bucket(self.start, now, max(self.peak, value), self.total + value, self.count + 1)

    def with_next(self, other: "Bucket") -> "Bucket":
        return Bucket(
            self.start, other.end, max(self.peak, other.peak), self.total + other.total, self.count + other.count
        )


class Window(Struct, frozen=True):
    """Samples of the last `length_s` seconds, as of the newest one."""

    buckets: tuple[Bucket, ...] = ()

    def add(self, value: int, now: float, length_s: float) -> "Window":
        buckets = self.buckets
        gone = 0
        while gone < len(buckets) and now - buckets[gone].end > length_s:
            gone += 1
        buckets = buckets[gone:]
        if buckets and now - buckets[-1].start < length_s / BUCKETS:
            return Window((*buckets[:-1], buckets[-1].with_sample(value, now)))
        buckets = (*buckets, Bucket(now, now, value, value, 1))
        if len(buckets) > BUCKETS_MAX:
            buckets = (buckets[0].with_next(buckets[1]), *buckets[2:])
        return Window(buckets)

    @property
    def peak(self) -> int:
        return max((bucket.peak for bucket in self.buckets), default=0)

    @property
    def mean(self) -> float:
        """Mean of the buckets, not of the samples: a burst of activations weighs no more than one tick."""
        if not self.buckets:
            return 0.0
        return sum(bucket.total / bucket.count for bucket in self.buckets) / len(self.buckets)


class History(Struct, frozen=True):
    """Moments are on the caller's monotonic clock, None for never. `panic_peak` is the highest demand of a panic."""

    stable: Window = Window()
    panic: Window = Window()
    observed_at: float | None = None
    covered_since: float | None = None
    """Since when demand has been known without a gap."""
    idle_since: float | None = None
    """Since when demand has been known to be zero."""
    unknown_since: float | None = None
    serving: int | None = None
    panic_at: float | None = None
    panic_peak: int = 0

    def observed(self, demand: int, serving: int, now: float, *, stable_s: float, panic_s: float) -> Self:
        # Demand in a gap is unknown, and a window with a gap allows no scale-in.
        gap = self.observed_at is None or now - self.observed_at > max(GAP_MIN_S, stable_s / 2)
        covered_since = None if gap else self.covered_since
        idle_since = None if gap or demand else self.idle_since
        if demand == 0 and idle_since is None:
            idle_since = now
        return replace(
            self,
            stable=self.stable.add(demand, now, stable_s),
            panic=self.panic.add(demand, now, panic_s),
            observed_at=now,
            covered_since=now if covered_since is None else covered_since,
            idle_since=idle_since,
            unknown_since=None,
            serving=serving,
        )

    def unknown(self, now: float) -> Self:
        """Records that demand is unknown: the time until the next observation counts for nothing."""
        return replace(
            self,
            covered_since=None,
            idle_since=None,
            unknown_since=now if self.unknown_since is None else self.unknown_since,
        )

    def panicking(self, now: float, *, surge: bool, demand: int, stable_s: float) -> Self:
        """Records a surge, or the end of a panic: a full stable window without a surge."""
        if surge:
            return replace(self, panic_at=now, panic_peak=max(self.panic_peak, demand))
        if self.panic_at is None:
            return self
        if now - self.panic_at >= stable_s:
            return replace(self, panic_at=None, panic_peak=0)
        return replace(self, panic_peak=max(self.panic_peak, demand))
