-- Times are nanoseconds since the Unix epoch, revisions microseconds; documents are JSON. See docs/store.md.
-- Documents are text, not jsonb, which cannot hold every string that a device may send (U+0000).
-- Names sort by their bytes (collation C), as in SQLite and in the program.
-- No sequences and no foreign keys; the device comes first in the keys of all that belongs to it.

CREATE TABLE meta (
    one               SMALLINT PRIMARY KEY CHECK (one = 1),
    schema_number     BIGINT NOT NULL,
    oldest_program    BIGINT NOT NULL,
    store_id          TEXT   NOT NULL,
    epoch             TEXT   NOT NULL,
    -- Where the store lives; other values at a start mean that it was restored into another place.
    system_identifier TEXT,
    database_oid      BIGINT
);

CREATE TABLE device (
    id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    namespace TEXT   NOT NULL,
    phase     TEXT   NOT NULL,
    spelling  TEXT   NOT NULL,
    revision  BIGINT NOT NULL,
    life      TEXT   NOT NULL,
    -- Of a tombstone: the epoch in which the deletion was made or confirmed.
    epoch     TEXT
);
CREATE INDEX device_by_revision ON device (revision, id);
CREATE INDEX device_by_phase ON device (phase, id);

-- Apart from the device, since it changes most often and is smallest.
CREATE TABLE presence (
    device_id     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    polled        BIGINT,
    asked         BIGINT,
    beat          BIGINT,
    beating_since BIGINT
);

CREATE TABLE report (
    device_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    report    TEXT NOT NULL
);

CREATE TABLE event (
    device_id TEXT COLLATE "C" NOT NULL,
    origin    TEXT COLLATE "C" NOT NULL,
    kind      TEXT COLLATE "C" NOT NULL,
    count     BIGINT NOT NULL,
    first_at  BIGINT NOT NULL,
    last_at   BIGINT NOT NULL,
    -- Severity, reason and the latest message.
    body      TEXT   NOT NULL,
    PRIMARY KEY (device_id, origin, kind)
);
CREATE INDEX event_by_age ON event (last_at);

CREATE TABLE stray (
    id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    namespace TEXT   NOT NULL,
    operation TEXT   NOT NULL,
    first_at  BIGINT NOT NULL,
    last_at   BIGINT NOT NULL,
    count     BIGINT NOT NULL
);
CREATE INDEX stray_by_age ON stray (last_at, id);

CREATE TABLE setting (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
