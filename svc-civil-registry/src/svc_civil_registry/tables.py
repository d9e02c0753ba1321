"""The metadata that all tables of this service share."""

from ndx_chassis import former_numbers
from ndx_chassis.db import table_base
from sqlalchemy import MetaData

metadata: MetaData = table_base().metadata
former_numbers.take_into(metadata)
