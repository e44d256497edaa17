"""Files that users send along with their jobs: kept for some days, found again by their content, fetched by name."""
