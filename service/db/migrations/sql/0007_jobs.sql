-- Exports that are written in the background: what was asked for, how far it is, what came of it.
-- The queue itself (procrastinate's own tables) lies in the same schema.
CREATE TABLE job.export (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    collection text NOT NULL,
    suffix     text NOT NULL,
    query      text NOT NULL DEFAULT '',
    status     text NOT NULL DEFAULT 'accepted'
        CHECK (status IN ('accepted', 'running', 'successful', 'failed', 'dismissed')),
    total      bigint CHECK (total >= 0),
    done       bigint NOT NULL DEFAULT 0 CHECK (done >= 0),
    bytes      bigint CHECK (bytes >= 0),
    message    text,
    created    timestamptz NOT NULL DEFAULT now(),
    started    timestamptz,
    updated    timestamptz NOT NULL DEFAULT now(),
    finished   timestamptz,
    CONSTRAINT export_finished CHECK (
        (finished IS NULL) = (status IN ('accepted', 'running'))
    ),
    CONSTRAINT export_bytes CHECK ((bytes IS NULL) = (status <> 'successful'))
);
CREATE INDEX export_created ON job.export (created);
