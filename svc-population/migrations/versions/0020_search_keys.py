"""Persons are found by name: the function of the key, and two indexes over it.

On a large live database build the indexes of the partitions first, one by one, with CREATE INDEX CONCURRENTLY: the
statements below then take the finished ones and end at once.
"""

from alembic import op

revision = "0020"
down_revision = "0010"

_ACCENTED = "ÀÁẢÃẠĂẰẮẲẴẶÂẦẤẨẪẬÈÉẺẼẸÊỀẾỂỄỆÌÍỈĨỊÒÓỎÕỌÔỒỐỔỖỘƠỜỚỞỠỢÙÚỦŨỤƯỪỨỬỮỰỲÝỶỸỴĐ"
_PLAIN = "AAAAAAAAAAAAAAAAAEEEEEEEEEEEIIIIIOOOOOOOOOOOOOOOOOUUUUUUUUUUUYYYYYD"


def upgrade() -> None:
    op.execute(
        "CREATE FUNCTION name_key(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE"
        f" RETURN translate(upper(normalize(name, NFC) COLLATE pg_c_utf8), '{_ACCENTED}', '{_PLAIN}')"
    )
    op.execute(
        "CREATE INDEX ix_persons_name ON persons (split_part(name_key(given_name), ' ', -1) COLLATE \"C\", birth_date,"
        " name_key(coalesce(surname || ' ', '') || coalesce(middle_name || ' ', '') || given_name) COLLATE \"C\")"
    )
    op.execute(
        "CREATE INDEX ix_persons_commune ON persons ((coalesce(permanent_commune_code, CASE WHEN birth_date >="
        " DATE '2025-07-01' THEN birth_registration_commune_code END)),"
        " split_part(name_key(given_name), ' ', -1) COLLATE \"C\")"
    )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
