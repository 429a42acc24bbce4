"""The HTTP/1.1 server: uvicorn protocol, connections and their limits."""
