"""Picture files as arrays, with what belongs to them, and back.

Training pictures and the upscaler's come through the same reader. Imports nothing of the package but the
plumbing (errors, files).
"""
