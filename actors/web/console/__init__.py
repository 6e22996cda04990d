"""The web console: what the terminal's console answers, as pages for operators at `/console/`."""
