-- Times are nanoseconds since the Unix epoch, revisions microseconds; documents are JSON. See docs/store.md.

CREATE TABLE meta (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    schema_number  INTEGER NOT NULL,
    oldest_program INTEGER NOT NULL,
    store_id       TEXT    NOT NULL,
    epoch          TEXT    NOT NULL,
    -- Changed by a probe, which has to write to know that it can.
    probes         INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE device (
    id        TEXT    NOT NULL PRIMARY KEY,
    namespace TEXT    NOT NULL,
    phase     TEXT    NOT NULL,
    spelling  TEXT    NOT NULL,
    revision  INTEGER NOT NULL,
    life      TEXT    NOT NULL,
    -- Of a tombstone: the epoch in which the deletion was made or confirmed.
    epoch     TEXT
) STRICT;
CREATE UNIQUE INDEX device_by_revision ON device (revision);
CREATE INDEX device_by_phase ON device (phase, id);

-- Apart from the device, since it changes most often and is smallest.
CREATE TABLE presence (
    device_id     TEXT NOT NULL PRIMARY KEY,
    polled        INTEGER,
    asked         INTEGER,
    beat          INTEGER,
    beating_since INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE report (
    device_id TEXT NOT NULL PRIMARY KEY,
    report    TEXT NOT NULL
) STRICT;

CREATE TABLE event (
    device_id TEXT    NOT NULL,
    origin    TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    count     INTEGER NOT NULL,
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    -- Severity, reason and the latest message.
    body      TEXT    NOT NULL,
    PRIMARY KEY (device_id, origin, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_by_age ON event (last_at);

CREATE TABLE stray (
    id        TEXT    NOT NULL PRIMARY KEY,
    namespace TEXT    NOT NULL,
    operation TEXT    NOT NULL,
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    count     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX stray_by_age ON stray (last_at, id);

CREATE TABLE setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
