"""HTTP around every handler: request middleware, CORS and error responses."""
