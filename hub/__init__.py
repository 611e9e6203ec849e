"""The hub: takes readings in, decides, and carries notices and points out. Flow order is in README.md."""
