"""The command `iqa-sr`: `iqa_sr.cli.main`, and one module for each command."""
