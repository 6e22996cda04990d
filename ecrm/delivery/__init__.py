"""What is decided about delivery: lanes, limits and the form of a message; all pure."""
