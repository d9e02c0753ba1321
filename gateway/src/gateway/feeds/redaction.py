"""What of an event one agency may learn: pure rules over the table beside the event contracts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ndx_contracts.agreements import AdminScope
from ndx_contracts.feeds import FedEvent
from ndx_contracts.field_groups import FieldGroup


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is given of an event, and which field groups that discloses."""

    data: dict[str, Any]
    field_groups: frozenset[FieldGroup]


def excerpt(fed: FedEvent, data: Mapping[str, Any], granted: Collection[FieldGroup]) -> Excerpt | None:
    """Return what the granted field groups let out of an event's data; None when that is nothing at all."""
    if fed.says is not None and fed.says not in granted:
        return None
    given = {
        name: data[name]
        for name, group in fed.members.items()
        if group in granted and data.get(name) is not None
    }
    groups = {fed.members[name] for name in given} | (set() if fed.says is None else {fed.says})
    if fed.names is not None:
        named = [group for group in data.get(fed.names, ()) if group in granted]
        if not named:
            return None
        given[fed.names] = named
        groups |= {FieldGroup(group) for group in named}
    return Excerpt(given, frozenset(groups))


def recognisable(fed: FedEvent, data: Mapping[str, Any], granted: Collection[FieldGroup]) -> list[str]:
    """Return the people by whom an event may be chosen, whom it is about first.

    A relative counts only if the agreement holds the group that names them: that an event came at all would
    tell of the relation otherwise.
    """
    if not fed.people:
        return []
    main, *others = fed.people
    found = [data.get(main), *(data.get(name) for name in others if fed.members[name] in granted)]
    return [person for person in found if person]


def subjects(fed: FedEvent, given: Mapping[str, Any], about: Collection[str]) -> list[str]:
    """Return everybody of whom the receiver learns something: whom it is about, and who is named."""
    named = [given[name] for name in fed.people if given.get(name)]
    return sorted({*about, *named})


def lies_within(fed: FedEvent, data: Mapping[str, Any], *scopes: AdminScope) -> bool:
    """Tell whether the person lives within all scopes; a place that is not known lies in no limited one."""
    limited = [scope for scope in scopes if scope.provinces or scope.communes]
    # What is told to one agency about its own affairs lives nowhere.
    if not limited or fed.addressee is not None:
        return True
    if fed.place is None:
        return False
    province, commune = (data.get(name) for name in fed.place)
    return all(province in scope.provinces or commune in scope.communes for scope in limited)
