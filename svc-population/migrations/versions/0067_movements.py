"""Movements: the triggers that count people also write who was born, came, left and died, and where."""

from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None

_KEY = """
    coalesce({0}permanent_commune_code, CASE WHEN {0}birth_date >= DATE '2025-07-01'
        THEN {0}birth_registration_commune_code END, '')
"""
_COUNTED = "life_status IN ('ALIVE', 'MISSING')"
_DAY = "(now() AT TIME ZONE INTERVAL '7 hours')::date"
_NOTED = "INSERT INTO movement_deltas (day, kind, across, commune_code, sex, n)"
_STATEMENTS = (
    """
    CREATE TABLE population_movements (
        day DATE NOT NULL,
        kind VARCHAR NOT NULL,
        across VARCHAR NOT NULL,
        commune_code VARCHAR NOT NULL,
        sex VARCHAR NOT NULL,
        n INTEGER NOT NULL,
        CONSTRAINT pk_population_movements PRIMARY KEY (day, kind, across, commune_code, sex)
    )
    """,
    """
    CREATE TABLE movement_deltas (
        id BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL,
        day DATE NOT NULL,
        kind VARCHAR NOT NULL,
        across VARCHAR NOT NULL,
        commune_code VARCHAR NOT NULL,
        sex VARCHAR NOT NULL,
        n INTEGER NOT NULL,
        CONSTRAINT pk_movement_deltas PRIMARY KEY (id)
    )
    """,
    f"""
    CREATE OR REPLACE FUNCTION count_new_persons() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO population_deltas (day, commune_code, sex, birth_year, n)
        SELECT {_DAY}, {_KEY.format("")}, sex, date_part('year', birth_date)::int, count(*)
        FROM added WHERE {_COUNTED} GROUP BY 2, 3, 4;
        -- Who is taken over from an older register has not moved.
        {_NOTED}
        SELECT {_DAY}, CASE WHEN birth_date > {_DAY} - 366 THEN 'BIRTH' ELSE 'ENTRY' END, '',
            {_KEY.format("")}, sex, count(*)
        FROM added WHERE {_COUNTED} AND source NOT LIKE 'import:%' GROUP BY 2, 4, 5;
        RETURN NULL;
    END $$
    """,  # noqa: S608 - constants of this file
    f"""
    CREATE OR REPLACE FUNCTION count_changed_persons() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO population_deltas (day, commune_code, sex, birth_year, n)
        SELECT {_DAY}, commune_code, sex, birth_year, sum(n) FROM (
            SELECT {_KEY.format("")}, sex, date_part('year', birth_date)::int, 1
            FROM added WHERE {_COUNTED}
            UNION ALL
            SELECT {_KEY.format("")}, sex, date_part('year', birth_date)::int, -1
            FROM gone WHERE {_COUNTED}
        ) AS parts (commune_code, sex, birth_year, n) GROUP BY 2, 3, 4 HAVING sum(n) <> 0;
        {_NOTED}
        SELECT {_DAY}, kind, across, code, sex, sum(n) FROM (
            SELECT m.kind, m.across, m.code, pair.sex, m.n FROM (
                SELECT {_KEY.format("o.")} AS whence, {_KEY.format("a.")} AS whither, a.sex,
                    o.{_COUNTED} AS lived, a.{_COUNTED} AS lives,
                    CASE WHEN o.permanent_province_code IS DISTINCT FROM a.permanent_province_code
                        THEN 'PROVINCE' ELSE 'COMMUNE' END AS far
                FROM gone o JOIN added a USING (person_id)
            ) AS pair CROSS JOIN LATERAL (VALUES
                ('DEATH', '', whence, lived::int - lives::int),
                ('DEPARTURE', far, whence, (lived AND lives AND whence <> whither)::int),
                ('ARRIVAL', far, whither, (lived AND lives AND whence <> whither)::int)
            ) AS m (kind, across, code, n) WHERE m.n <> 0
        ) AS moved GROUP BY 2, 3, 4, 5 HAVING sum(n) <> 0;
        RETURN NULL;
    END $$
    """,  # noqa: S608 - constants of this file
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
