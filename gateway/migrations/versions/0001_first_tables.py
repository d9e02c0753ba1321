"""The control plane's first tables, as they were then: later changes of the models do not reach back."""

from alembic import op
from ndx_chassis.migrations import create_runtime_tables

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE agencies (
        code TEXT NOT NULL,
        name TEXT NOT NULL,
        name_en TEXT NOT NULL,
        agency_class TEXT NOT NULL,
        state TEXT NOT NULL,
        parent TEXT,
        province_code TEXT,
        commune_code TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_agencies PRIMARY KEY (code)
    )
    """,
    """
    CREATE TABLE systems (
        agency TEXT NOT NULL,
        code TEXT NOT NULL,
        state TEXT NOT NULL,
        enrolment_hash TEXT,
        enrolment_expires_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_systems PRIMARY KEY (agency, code),
        CONSTRAINT fk_systems_agency_agencies FOREIGN KEY(agency) REFERENCES agencies (code)
    )
    """,
    "CREATE INDEX ix_systems_enrolment_hash ON systems (enrolment_hash)",
    """
    CREATE TABLE operators (
        agency TEXT NOT NULL,
        login TEXT NOT NULL,
        roles TEXT[] NOT NULL,
        state TEXT NOT NULL,
        CONSTRAINT pk_operators PRIMARY KEY (agency, login),
        CONSTRAINT fk_operators_agency_agencies FOREIGN KEY(agency) REFERENCES agencies (code)
    )
    """,
    """
    CREATE TABLE certificates (
        serial TEXT NOT NULL,
        agency TEXT NOT NULL,
        system TEXT NOT NULL,
        uri TEXT NOT NULL,
        fingerprint_sha256 TEXT NOT NULL,
        not_before TIMESTAMP WITH TIME ZONE NOT NULL,
        not_after TIMESTAMP WITH TIME ZONE NOT NULL,
        state TEXT NOT NULL,
        revoked_at TIMESTAMP WITH TIME ZONE,
        reason TEXT,
        CONSTRAINT pk_certificates PRIMARY KEY (serial),
        CONSTRAINT uq_certificates_fingerprint_sha256 UNIQUE (fingerprint_sha256)
    )
    """,
    "CREATE INDEX ix_certificates_uri ON certificates (uri)",
    """
    CREATE TABLE data_sharing_agreements (
        agreement_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        state TEXT NOT NULL,
        terms JSONB NOT NULL,
        consumer_agency TEXT NOT NULL,
        provider_agency TEXT NOT NULL,
        drafted_by TEXT NOT NULL,
        decided_by TEXT,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_data_sharing_agreements PRIMARY KEY (agreement_id)
    )
    """,
    "CREATE INDEX ix_data_sharing_agreements_consumer_agency ON data_sharing_agreements (consumer_agency)",
    "CREATE INDEX ix_data_sharing_agreements_state ON data_sharing_agreements (state)",
    """
    CREATE TABLE agreement_history (
        id UUID NOT NULL,
        agreement_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        action TEXT NOT NULL,
        state TEXT NOT NULL,
        decided_by TEXT NOT NULL,
        reason TEXT,
        terms JSONB NOT NULL,
        decided_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_agreement_history PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_agreement_history_agreement_id ON agreement_history (agreement_id)",
    """
    CREATE TABLE ledger_arrivals (
        disclosure_id UUID NOT NULL,
        service TEXT NOT NULL,
        record JSONB NOT NULL,
        received_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_ledger_arrivals PRIMARY KEY (disclosure_id)
    )
    """,
    """
    CREATE TABLE ledger_entries (
        position BIGINT NOT NULL,
        disclosure_id UUID NOT NULL,
        service TEXT NOT NULL,
        leaf_hash BYTEA NOT NULL,
        leaf TEXT NOT NULL,
        record JSONB,
        received_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_ledger_entries PRIMARY KEY (position),
        CONSTRAINT uq_ledger_entries_disclosure_id UNIQUE (disclosure_id)
    )
    """,
    """
    CREATE TABLE ledger_checkpoints (
        size BIGINT NOT NULL,
        root_hash BYTEA NOT NULL,
        frontier BYTEA[] NOT NULL,
        signed_note TEXT NOT NULL,
        key_id INTEGER NOT NULL,
        made_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_ledger_checkpoints PRIMARY KEY (size)
    )
    """,
)


def upgrade() -> None:
    create_runtime_tables(op)
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the first version is not undone")
