"""The papers' claims: statistics, verdicts, and what would decide the open ones."""
