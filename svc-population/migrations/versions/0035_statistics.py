"""Live counts: a trigger writes what each statement on persons changed, whoever makes it."""

from alembic import op

revision = "0035"
down_revision = "0034"

_KEY = """
    coalesce(permanent_commune_code, CASE WHEN birth_date >= DATE '2025-07-01'
        THEN birth_registration_commune_code END, ''), sex, date_part('year', birth_date)::int
"""
_COUNTED = "WHERE life_status IN ('ALIVE', 'MISSING')"
_DAY = "(now() AT TIME ZONE INTERVAL '7 hours')::date"
_STATEMENTS = (
    """
    CREATE TABLE population_counts (
        commune_code VARCHAR NOT NULL,
        sex VARCHAR NOT NULL,
        birth_year INTEGER NOT NULL,
        n INTEGER NOT NULL,
        CONSTRAINT pk_population_counts PRIMARY KEY (commune_code, sex, birth_year)
    )
    """,
    """
    CREATE TABLE population_days (
        day DATE NOT NULL,
        commune_code VARCHAR NOT NULL,
        sex VARCHAR NOT NULL,
        birth_year INTEGER NOT NULL,
        n INTEGER NOT NULL,
        CONSTRAINT pk_population_days PRIMARY KEY (day, commune_code, sex, birth_year)
    )
    """,
    """
    CREATE TABLE population_deltas (
        id BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL,
        day DATE NOT NULL,
        commune_code VARCHAR NOT NULL,
        sex VARCHAR NOT NULL,
        birth_year INTEGER NOT NULL,
        n INTEGER NOT NULL,
        CONSTRAINT pk_population_deltas PRIMARY KEY (id)
    )
    """,
    f"""
    CREATE FUNCTION count_new_persons() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO population_deltas (day, commune_code, sex, birth_year, n)
        SELECT {_DAY}, {_KEY}, count(*) FROM added {_COUNTED} GROUP BY 2, 3, 4;
        RETURN NULL;
    END $$
    """,  # noqa: S608 - constants of this file
    f"""
    CREATE FUNCTION count_gone_persons() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO population_deltas (day, commune_code, sex, birth_year, n)
        SELECT {_DAY}, {_KEY}, -count(*) FROM gone {_COUNTED} GROUP BY 2, 3, 4;
        RETURN NULL;
    END $$
    """,  # noqa: S608 - constants of this file
    f"""
    CREATE FUNCTION count_changed_persons() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO population_deltas (day, commune_code, sex, birth_year, n)
        SELECT {_DAY}, commune_code, sex, birth_year, sum(n) FROM (
            SELECT {_KEY}, 1 FROM added {_COUNTED} UNION ALL SELECT {_KEY}, -1 FROM gone {_COUNTED}
        ) AS parts (commune_code, sex, birth_year, n) GROUP BY 2, 3, 4 HAVING sum(n) <> 0;
        RETURN NULL;
    END $$
    """,  # noqa: S608 - constants of this file
    """
    CREATE TRIGGER count_new_persons AFTER INSERT ON persons REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_new_persons()
    """,
    """
    CREATE TRIGGER count_gone_persons AFTER DELETE ON persons REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION count_gone_persons()
    """,
    """
    CREATE TRIGGER count_changed_persons AFTER UPDATE ON persons
    REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_changed_persons()
    """,
    # Who is there already is counted once; writers wait meanwhile, by the locks of the triggers above.
    "SET LOCAL statement_timeout = 0",
    f"""
    INSERT INTO population_deltas (day, commune_code, sex, birth_year, n)
    SELECT {_DAY}, {_KEY}, count(*) FROM persons {_COUNTED} GROUP BY 2, 3, 4
    """,  # noqa: S608 - constants of this file
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
