"""What a results folder says of studies, cells and trials, for people to read."""
