"""Networks: torch in, torch out; no files, no downloads."""
