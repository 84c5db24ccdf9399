"""Upscaling over HTTP, for the command `fsrcnn serve` alone.

A request passes through `connections` (patience with clients), `measures` (counts), `guard` (token, bounds,
the queue) and `application` (the routes). MLflow is imported by `invocations` alone.
"""
