"""What Daybook costs, as ratios to a floor measured in the same minute. `make bench` prints one page."""
