"""Quality over time: each day's indicators of every unit, as a chart draws them."""
