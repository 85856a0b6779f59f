"""The command line.

``main`` has the command group and the commands that run the service; each other group of commands has a module.
``options`` has the options that they share, ``client`` the HTTP client, ``backends`` and ``database`` the two ways to
manage accounts and keys, ``output`` everything that is printed. A module that only some commands need is imported by
these commands when they run.
"""
