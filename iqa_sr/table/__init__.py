"""The table of a paper, made of result folders: `iqa-sr table`."""
