"""How good is a tracker? J, F and J&F on data laid out like DAVIS, and pictures of failures."""
