"""The lake on object storage: the bucket is the truth, a working copy on this disk is where rooms work."""
