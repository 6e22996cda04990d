"""What is decided: pure functions over values; no clock, no random, no input or output."""
