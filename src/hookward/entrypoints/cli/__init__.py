"""The command line.

``main`` has the command group and the commands that run the service; each other group of commands has a module.
``options`` has the options that they share, ``client`` the HTTP client, ``backends`` and ``database`` what works with or
without an api, ``output`` everything that is printed. Modules that only some commands need are imported in these commands.
"""
