"""Study -> trials -> plan -> execute -> worker -> store."""
