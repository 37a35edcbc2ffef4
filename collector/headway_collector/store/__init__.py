"""All the SQL, and nothing but: one DuckDB file, one writer, many readers."""
