"""From a study and its accepted rows to what is left to do, its cost and its parts."""
