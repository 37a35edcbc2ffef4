"""What must not be logged, found and replaced before a record is written."""
