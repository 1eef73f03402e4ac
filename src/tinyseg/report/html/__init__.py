"""One self-contained HTML page: what the figures are, where they come from, and the places."""
