"""The usage records of requests: opened by the gateway, and closed by it when no worker closes them."""
