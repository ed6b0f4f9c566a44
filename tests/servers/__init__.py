"""Real servers for tests: started once a session, on loopback, by process id."""
