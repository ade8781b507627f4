"""What assets, jobs and sensors use of the world outside, a small resource each.

A resource's fields are what the UI shows and the launchpad may change; its property or method gives
the plain object that does the work.
"""
