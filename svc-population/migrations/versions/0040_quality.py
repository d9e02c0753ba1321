"""Quality: tables of counts, and triggers on persons that measure nothing until rules are installed."""

from alembic import op

revision = "0040"
down_revision = "0060"

_STATEMENTS = (
    """
    CREATE TABLE quality_generations (
        id INTEGER GENERATED ALWAYS AS IDENTITY NOT NULL,
        state VARCHAR NOT NULL,
        signature VARCHAR NOT NULL,
        rules JSONB NOT NULL,
        units_on DATE NOT NULL,
        horizon DATE NOT NULL,
        begun_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        counted_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_quality_generations PRIMARY KEY (id)
    )
    """,
    """
    CREATE TABLE quality_units (
        generation INTEGER NOT NULL,
        code VARCHAR NOT NULL,
        current BOOLEAN NOT NULL,
        province_code VARCHAR,
        CONSTRAINT pk_quality_units PRIMARY KEY (generation, code)
    )
    """,
    """
    CREATE TABLE quality_counts (
        generation INTEGER NOT NULL,
        province_code TEXT COLLATE "C" NOT NULL,
        commune_code TEXT COLLATE "C" NOT NULL,
        living BOOLEAN NOT NULL,
        broken BIGINT NOT NULL,
        dues DATE[] NOT NULL,
        n INTEGER NOT NULL,
        CONSTRAINT pk_quality_counts PRIMARY KEY (generation, province_code, commune_code, living, broken, dues)
    )
    """,
    """
    CREATE TABLE quality_deltas (
        id BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL,
        generation INTEGER NOT NULL,
        province_code TEXT COLLATE "C" NOT NULL,
        commune_code TEXT COLLATE "C" NOT NULL,
        living BOOLEAN NOT NULL,
        broken BIGINT NOT NULL,
        dues DATE[] NOT NULL,
        n INTEGER NOT NULL,
        CONSTRAINT pk_quality_deltas PRIMARY KEY (id)
    )
    """,
    # The service puts the rules into these functions: rules are data, and a migration does not know them.
    *(
        f"CREATE FUNCTION measure_{kind}_persons() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN NULL; END $$"
        for kind in ("new", "gone", "changed")
    ),
    """
    CREATE TRIGGER measure_new_persons AFTER INSERT ON persons REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION measure_new_persons()
    """,
    """
    CREATE TRIGGER measure_gone_persons AFTER DELETE ON persons REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION measure_gone_persons()
    """,
    """
    CREATE TRIGGER measure_changed_persons AFTER UPDATE ON persons
    REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION measure_changed_persons()
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
