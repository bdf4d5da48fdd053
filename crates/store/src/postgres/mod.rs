//! A fleet in PostgreSQL, for any number of servers.
