"""The store behind one port: SQLite, and a twin in memory that passes the same tests."""
