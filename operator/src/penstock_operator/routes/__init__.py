"""ModelRoutes in the operator: parsing, variables, model ownership, and their entries in the catalogue."""
