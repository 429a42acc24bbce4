"""One renderer per dialect: events in, bytes for the client out. Pure; one object per stream.

`renderer.Renderer` is what a stream needs of them; a collector is a renderer that keeps everything for one answer.
"""
