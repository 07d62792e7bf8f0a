"""Networks of the quality metrics: torch in, torch out; no files, no downloads."""
