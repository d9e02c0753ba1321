"""How persons are found by name, as SQL: the keys that indexes hold and that queries repeat word for word.

The keys are expressions, not columns: whoever writes a person, by COPY or by a single change, keeps them
current and cannot forget to; the hot read's rows stay as narrow as they were, and an update of other columns
touches no index. `name_key` stays the same for ever: another rule needs another function and new indexes.
"""

ACCENTED = "ÀÁẢÃẠĂẰẮẲẴẶÂẦẤẨẪẬÈÉẺẼẸÊỀẾỂỄỆÌÍỈĨỊÒÓỎÕỌÔỒỐỔỖỘƠỜỚỞỠỢÙÚỦŨỤƯỪỨỬỮỰỲÝỶỸỴĐ"
PLAIN = "AAAAAAAAAAAAAAAAAEEEEEEEEEEEIIIIIOOOOOOOOOOOOOOOOOUUUUUUUUUUUYYYYYD"

NAME_KEY_FUNCTION = f"""
CREATE FUNCTION name_key(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN translate(upper(normalize(name, NFC) COLLATE pg_c_utf8), '{ACCENTED}', '{PLAIN}')
"""
"""Capitals without accents; not STRICT, so that PostgreSQL can put its body where it is called."""

GIVEN_NAME_KEY = "split_part(name_key(given_name), ' ', -1) COLLATE \"C\""
"""The last word of the given name."""
NAME_KEY = (
    "name_key(coalesce(surname || ' ', '') || coalesce(middle_name || ' ', '') || given_name) COLLATE \"C\""
)
"""The whole name."""
_SINCE = "birth_date >= DATE '2025-07-01'"
PROVINCE = f"coalesce(permanent_province_code, CASE WHEN {_SINCE} THEN birth_registration_province_code END)"
COMMUNE = f"coalesce(permanent_commune_code, CASE WHEN {_SINCE} THEN birth_registration_commune_code END)"
"""Where a person is looked for, and lies within an agreement's scope: see `service.place_of`."""
