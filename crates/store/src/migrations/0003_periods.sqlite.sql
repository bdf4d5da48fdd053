-- The period of heartbeats that a device has applied, in seconds, where that is known: as in its life, for counting alone.
-- A program that does not know the column leaves it as it is, so that devices are counted by an older period until this
-- program writes their lives.
ALTER TABLE device ADD COLUMN heartbeat_seconds INTEGER;
UPDATE device SET heartbeat_seconds = json_extract(life, '$.delivery.applied.periodSeconds')
WHERE phase = 'approved';
