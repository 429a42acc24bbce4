"""The HTTP server: uvicorn, its protocol class, and the limits of each client connection."""
