"""States of a household, relations to its head, and why a membership ended."""

from enum import StrEnum


class HouseholdState(StrEnum):
    """ACTIVE ⇄ HEAD_NEEDED → DISSOLVED."""

    ACTIVE = "ACTIVE"
    HEAD_NEEDED = "HEAD_NEEDED"
    """The head died and several members stay: they agree on another one, the police record it."""
    DISSOLVED = "DISSOLVED"


class RelationToHead(StrEnum):
    HEAD = "HEAD"
    SPOUSE = "SPOUSE"
    CHILD = "CHILD"
    PARENT = "PARENT"
    GRANDPARENT = "GRANDPARENT"
    GRANDCHILD = "GRANDCHILD"
    SIBLING = "SIBLING"
    OTHER = "OTHER"


class MembershipEnd(StrEnum):
    LEFT = "LEFT"
    MOVED = "MOVED"
    """Joined another household."""
    SPLIT = "SPLIT"
    RELATION_CHANGED = "RELATION_CHANGED"
    DEATH = "DEATH"
    CORRECTED = "CORRECTED"
    """Found out later to be wrong for some of its days: other memberships say what was true."""
