"""From a results folder to data frames, cells and estimates."""
