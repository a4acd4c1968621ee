"""Files by name: which there are to work on, what is said of them, and outputs that are whole or not there.

Knows nothing of pictures or .aec data, and nothing of the command line.
"""
