"""The declarative base of the insurance link's tables."""

from ndx_chassis import former_numbers
from ndx_chassis.db import NAMING
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """One metadata for the service's own tables; the runtime's tables are the chassis' own."""

    metadata = MetaData(naming_convention=NAMING)


former_numbers.take_into(Base.metadata)
