"""What becomes of a chunk or a merge whose job has failed: rules that people write as rows."""
