"""Change feeds: subscriptions, people of interest, events on their way, attempts."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    """
    CREATE TABLE feed_subscriptions (
        id uuid NOT NULL,
        agency text NOT NULL,
        system text NOT NULL,
        agreement_id text NOT NULL,
        purpose text NOT NULL,
        officer text,
        case_id text,
        event_types text[] NOT NULL,
        people text NOT NULL,
        provinces text[] NOT NULL,
        communes text[] NOT NULL,
        delivery text NOT NULL,
        endpoint text,
        endpoint_ca text,
        max_attempts integer NOT NULL,
        first_delay_seconds integer NOT NULL,
        state text NOT NULL,
        state_reason text,
        last_position bigint DEFAULT 0 NOT NULL,
        acknowledged bigint DEFAULT 0 NOT NULL,
        failures integer DEFAULT 0 NOT NULL,
        next_attempt_at timestamptz,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT pk_feed_subscriptions PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_feed_subscriptions_agency ON feed_subscriptions (agency)",
    "CREATE INDEX ix_feed_subscriptions_agreement_id ON feed_subscriptions (agreement_id)",
    """
    CREATE TABLE feed_interests (
        subscription_id uuid NOT NULL,
        person_key bytea NOT NULL,
        sealed_reference bytea,
        CONSTRAINT pk_feed_interests PRIMARY KEY (subscription_id, person_key),
        CONSTRAINT fk_feed_interests_subscription_id_feed_subscriptions
            FOREIGN KEY (subscription_id) REFERENCES feed_subscriptions (id)
    )
    """,
    "CREATE INDEX ix_feed_interests_person_key ON feed_interests (person_key)",
    """
    CREATE TABLE feed_events (
        subscription_id uuid NOT NULL,
        position bigint NOT NULL,
        event_id uuid NOT NULL,
        event_type text NOT NULL,
        person_key bytea NOT NULL,
        interest_key bytea,
        sealed bytea,
        state text NOT NULL,
        attempts integer DEFAULT 0 NOT NULL,
        next_attempt_at timestamptz,
        handed_over_at timestamptz,
        queued_at timestamptz NOT NULL,
        error text,
        CONSTRAINT pk_feed_events PRIMARY KEY (subscription_id, position),
        CONSTRAINT fk_feed_events_subscription_id_feed_subscriptions
            FOREIGN KEY (subscription_id) REFERENCES feed_subscriptions (id)
    )
    """,
    "CREATE UNIQUE INDEX uq_feed_events_event ON feed_events (subscription_id, event_id)",
    "CREATE INDEX ix_feed_events_pending ON feed_events (subscription_id, position) WHERE state = 'PENDING'",
    """
    CREATE INDEX ix_feed_events_person ON feed_events (subscription_id, person_key, position)
    WHERE state = 'PENDING'
    """,
    "CREATE INDEX ix_feed_events_queued_at ON feed_events (queued_at) WHERE sealed IS NOT NULL",
    """
    CREATE TABLE feed_attempts (
        id uuid NOT NULL,
        subscription_id uuid NOT NULL,
        position bigint,
        event_id uuid NOT NULL,
        attempted_at timestamptz NOT NULL,
        duration_ms integer NOT NULL,
        status integer,
        error text,
        delivered boolean NOT NULL,
        CONSTRAINT pk_feed_attempts PRIMARY KEY (id),
        CONSTRAINT fk_feed_attempts_subscription_id_feed_subscriptions
            FOREIGN KEY (subscription_id) REFERENCES feed_subscriptions (id)
    )
    """,
    "CREATE INDEX ix_feed_attempts_subscription_id ON feed_attempts (subscription_id, id)",
    "CREATE INDEX ix_feed_attempts_attempted_at ON feed_attempts (attempted_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("feed_attempts", "feed_events", "feed_interests", "feed_subscriptions"):
        op.drop_table(table)
