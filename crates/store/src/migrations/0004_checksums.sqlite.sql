-- A checksum of each row over all its columns, made by the program (`src/checksum.rs`). Rows without one are as good as before.
-- A program that does not know the column leaves it as it is, which is seen by the revision or the time that it carries.
ALTER TABLE device ADD COLUMN checksum BLOB;
ALTER TABLE report ADD COLUMN checksum BLOB;
ALTER TABLE document ADD COLUMN checksum BLOB;
ALTER TABLE rendering ADD COLUMN checksum BLOB;
ALTER TABLE source ADD COLUMN checksum BLOB;
-- The revision at which documents were written last by a program that knows checksums: those of renderings and sources count only there.
ALTER TABLE document_revision ADD COLUMN checked INTEGER NOT NULL DEFAULT 0;
