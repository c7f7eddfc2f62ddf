"""Statistics that serve on their own: arrays in, small results out.

Nothing is imported here, so that a figure pays only for the module it uses.
"""
