"""Quality of the data: what is wrong, missing, unclean or out of date, counted exactly as people change."""
