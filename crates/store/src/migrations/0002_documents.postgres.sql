-- Manifests that devices are configured from, and the last good rendering of each workload. See docs/store.md.
-- A body is text as it was given or, with a key id, sealed: base64 of nonce and ciphertext.

-- The last change of what follows; 0 if there was none. Whoever changes it locks this row first.
CREATE TABLE document_revision (
    one      SMALLINT PRIMARY KEY CHECK (one = 1),
    revision BIGINT NOT NULL
);
INSERT INTO document_revision (one, revision) VALUES (1, 0);

CREATE TABLE document (
    kind         TEXT COLLATE "C" NOT NULL,
    namespace    TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    source       TEXT    NOT NULL,
    revision     BIGINT  NOT NULL,
    confidential BOOLEAN NOT NULL,
    key_id       TEXT,
    body         TEXT    NOT NULL,
    PRIMARY KEY (kind, namespace, name)
);

CREATE TABLE rendering (
    namespace    TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    confidential BOOLEAN NOT NULL,
    key_id       TEXT,
    body         TEXT    NOT NULL,
    PRIMARY KEY (namespace, name)
);

-- Where documents come from, as it was last applied.
CREATE TABLE source (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    digest     TEXT   NOT NULL,
    applied_at BIGINT NOT NULL,
    state      TEXT   NOT NULL
);
