"""What is said: events, notices, the codec, and the socket conversation without a socket."""
