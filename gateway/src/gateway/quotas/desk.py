"""The desk at which Envoys get what is left of each quota: who holds what, and when that must change."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID, uuid4

from gateway.quotas.holders import RENEWED_AFTER, Bucket, Holder, Report, Terms
from gateway.quotas.periods import Calendar
from gateway.quotas.sharing import Want, portions, shares

Group = tuple[str, str]
"""Agency and agreement: what has a quota."""
Place = tuple[int, Bucket]
"""A stream and one of its buckets."""


def group_of(bucket: Bucket) -> Group:
    return bucket.agency, bucket.agreement_id


@dataclass(frozen=True, slots=True)
class Batch:
    """Reports that are counted together, once."""

    number: int
    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What one Envoy is told about one bucket."""

    stream: int
    bucket: Bucket
    calls: int | None
    """Calls that it may let through; None = the bucket is given up."""
    again: bool = False
    """The same assignment as before, which only lives longer."""


@dataclass
class Desk:
    """The buckets of the Envoys that are connected to this control plane."""

    calendar: Calendar = field(default_factory=Calendar)
    source: UUID = field(default_factory=uuid4)
    holders: dict[Place, Holder] = field(default_factory=dict)
    groups: dict[Group, set[Place]] = field(default_factory=lambda: defaultdict(set))
    """Which buckets draw on one quota."""

    def leave(self, stream: int) -> None:
        """Forget a stream; its assignments stay in the tables for the Envoy to come back to."""
        for place in [place for place in self.holders if place[0] == stream]:
            self._drop(place)

    def _drop(self, place: Place) -> None:
        self.holders.pop(place, None)
        group = group_of(place[1])
        self.groups[group].discard(place)
        if not self.groups[group]:
            del self.groups[group]

    def settle(self, outcome: "Outcome") -> None:
        """Take over what a committed transaction has decided."""
        self.holders |= outcome.holders
        for place in outcome.holders:
            self.groups[group_of(place[1])].add(place)
        for order in outcome.orders:
            if order.calls is None:
                self._drop((order.stream, order.bucket))


@dataclass(slots=True)
class Outcome:
    """What follows from a batch when it is committed."""

    holders: dict[Place, Holder]
    orders: list[Order] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of one agreement's quota, and who draws on it."""

    terms: Terms
    left: int | None
    """Units; None = the agreement has no quota of its own."""
    places: Mapping[Place, Holder]
    foreign: Sequence[Holder] = ()
    """What Envoys hold that are connected to other control planes."""

    @property
    def members(self) -> list[Holder]:
        return [*self.places.values(), *self.foreign]

    @property
    def promised(self) -> int:
        """Units that Envoys may still let through."""
        return sum(h.outstanding * h.bucket.cost for h in self.members)

    def wants(self) -> list[Want]:
        return [
            Want(h.bucket.cost, h.calls if h.sent_at or h in self.foreign else None) for h in self.members
        ]


def grouped(desk: Desk, outcome: Outcome, groups: Iterable[Group]) -> dict[Group, dict[Place, Holder]]:
    """Return the buckets that draw on these quotas, with what the batch has changed."""
    found = {g: {p: desk.holders[p] for p in desk.groups.get(g, ())} for g in groups}
    for place, holder in outcome.holders.items():
        group = group_of(place[1])
        if group in found:
            found[group][place] = holder
    return found


def share(outcome: Outcome, rests: Sequence[Rest], whole: int | None, day: date, now: datetime) -> None:
    """Assign what is left anew, if that changes anything for those who need it.

    `rests` are one agreement without a quota of the whole agency, else all the agency's; `whole` is what the
    whole agency has left.
    """
    wants = [rest.wants() for rest in rests]
    lefts = [rest.left for rest in rests]
    units = [n or 0 for n in lefts] if whole is None else portions(whole, lefts, wants)
    mine = [
        (place, holder, part, rest.terms)
        for rest, left, wanted in zip(rests, units, wants, strict=True)
        for (place, holder), part in zip(rest.places.items(), shares(left, wanted), strict=False)
    ]
    kept = all(rest.left is None or rest.promised <= max(0, rest.left) for rest in rests)
    kept = kept and (whole is None or sum(rest.promised for rest in rests) <= max(0, whole))
    if kept and not any(
        h.due(now, day, terms) or (h.low and part > h.outstanding + h.outstanding // 2)
        for _, h, part, terms in mine
    ):
        return
    for place, holder, part, terms in mine:
        stays = part == holder.outstanding and (part or not holder.granted)
        if stays and not holder.due(now, day, terms):
            continue
        assigned = copy(holder)
        assigned.assign(part, now, day, terms)
        outcome.holders[place] = assigned
        outcome.orders.append(Order(*place, calls=part))


def renew(outcome: Outcome, now: datetime) -> None:
    """Let assignments live on, and give up the buckets of those who do not call any more."""
    ordered = {(o.stream, o.bucket) for o in outcome.orders}
    for place, holder in outcome.holders.items():
        if place in ordered or holder.sent_at is None:
            continue
        if holder.idle(now):
            outcome.orders.append(Order(*place, calls=None))
        elif now - holder.sent_at > RENEWED_AFTER:
            holder.sent_at = now
            outcome.orders.append(Order(*place, calls=holder.granted, again=True))
