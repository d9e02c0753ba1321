"""The declarative base of all tables in the population database."""

from ndx_chassis.db import NAMING
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
