"""The shell: app factory, sessions, live sockets, base templates and the look. It knows no civic matter."""
