"""Where the outside comes in: the HTTP api, the worker process, the command line; independent of each other."""
