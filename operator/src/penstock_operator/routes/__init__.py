"""ModelRoutes as the operator reads them: parsing, model ownership, catalogue entries."""
