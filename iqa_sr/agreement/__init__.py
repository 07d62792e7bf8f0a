"""Agreement of metrics with human preferences and opinion scores: `iqa-sr agree`."""
