"""What is done: sockets, SQLite, mail, the console. The hands around the pure middle."""
