"""The words that gateway, workers, operator, laptop and client share.

Nothing here decides or does; the package knows no deployable and, outside `broker`, no client library.
"""
