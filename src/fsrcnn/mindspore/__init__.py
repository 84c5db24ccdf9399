"""The reference recipe through MindSpore: the same network and weights files.

Imports what training imports, and training itself.
"""
