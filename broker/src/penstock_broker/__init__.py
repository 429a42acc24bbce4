"""NATS and JetStream as Penstock uses them; the only package that imports `nats`.

`connection` and `jetstream` send and receive; `queue` is a route's work queue; `control_plane` creates streams and
buckets; `stores` read and write records; `permissions` lists what each role may do.
"""
