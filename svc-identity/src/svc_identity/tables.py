"""The declarative base of all tables in the identity database."""

from ndx_chassis import former_numbers
from ndx_chassis.db import NAMING
from sqlalchemy import MetaData, Text
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {str: Text}  # noqa: RUF012 - SQLAlchemy reads it so


former_numbers.take_into(Base.metadata)
