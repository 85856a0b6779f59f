"""The use cases: publish, dispatch, deliver, manage watches. They know the domain and ports (Protocols), nothing else.

Lives here: what the service does, in the order it does it. May not live here: SQL, HTTP, Redis, processes, settings.
"""
