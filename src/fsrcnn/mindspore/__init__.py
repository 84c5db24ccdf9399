"""The reference recipe through MindSpore: the same network and weights files.

Imports training and what that imports. Only evaluation imports it: `mindspore.network`, where it is asked
for. MindSpore itself is imported by these modules alone, and by device.
"""
