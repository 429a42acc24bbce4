"""One renderer per dialect: events in, bytes for the client out. Pure; one object per stream.

A stream needs a `renderer.Renderer`; a collector is a renderer that keeps everything for one answer.
"""
