"""Autoscaling: the number of workers of each route, which of them drain, and the writes that carry it out.

`observation`, `history`, `decision` and `scale_in` are pure, with the clock as an argument. docs/operations/scaling.md
describes the rules.
"""
