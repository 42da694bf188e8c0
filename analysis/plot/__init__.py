"""Pictures of any study, also of one that no paper figure knows, drawn with seaborn."""
