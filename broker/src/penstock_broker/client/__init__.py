"""nats-py's client on a transport of this package: messages reach their callbacks in the call that reads them."""
