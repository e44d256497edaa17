"""What tasks have made, counted in the background, so that pages about thousands of tasks add up few rows."""
