"""The commands, each with the work on one file that it is sent to worker processes as; `codec.app.cli` lists them.

They take the same options, name files and report as one another; nothing heavy is imported at the top.
"""
