-- The period of heartbeats that a device has applied, in seconds, where that is known: as in its life, for counting alone.
-- A program that does not know the column leaves it as it is, so that devices are counted by an older period until this
-- program writes their lives.
ALTER TABLE device ADD COLUMN heartbeat_seconds BIGINT;
-- By the order in which the program writes the members: PostgreSQL's functions for JSON refuse a document with U+0000.
UPDATE device SET heartbeat_seconds = substring(
    life FROM '"applied":\{"version":"(?:[^"\\]|\\.)*","since":"[^"]*","periodSeconds":([0-9]+)')::bigint
WHERE phase = 'approved';
