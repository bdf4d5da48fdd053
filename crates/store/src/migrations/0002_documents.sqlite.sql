-- Manifests that devices are configured from, and the last good rendering of each workload. See docs/store.md.
-- A body is text as it was given or, with a key id, sealed: base64 of nonce and ciphertext.

-- The last change of what follows, in the same order as the revisions of devices; 0 if there was none.
CREATE TABLE document_revision (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO document_revision (one, revision) VALUES (1, 0);

CREATE TABLE document (
    kind         TEXT    NOT NULL,
    namespace    TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    revision     INTEGER NOT NULL,
    confidential INTEGER NOT NULL,
    key_id       TEXT,
    body         TEXT    NOT NULL,
    PRIMARY KEY (kind, namespace, name)
) STRICT;

CREATE TABLE rendering (
    namespace    TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    confidential INTEGER NOT NULL,
    key_id       TEXT,
    body         TEXT    NOT NULL,
    PRIMARY KEY (namespace, name)
) STRICT;

-- Where documents come from, as it was last applied.
CREATE TABLE source (
    name       TEXT    NOT NULL PRIMARY KEY,
    digest     TEXT    NOT NULL,
    applied_at INTEGER NOT NULL,
    state      TEXT    NOT NULL
) STRICT;
