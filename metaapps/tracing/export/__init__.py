"""Where spans go, and how they are written there."""
