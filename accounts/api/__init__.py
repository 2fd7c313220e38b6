"""JSON doors of this room."""
