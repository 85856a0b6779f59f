"""The use cases: publish, dispatch, deliver, manage watches. They know the domain and ports (Protocols), nothing else.

Lives here: what the service does, in the order it does it. May not live here: SQL, HTTP, Redis, processes, settings.

Entry points call the use cases of a room (``Accounts``, ``Watches``), never its store: also ``list`` and ``get``, which
often only forward. The log is the exception: ``DeliveryLog`` and ``EventLog`` are queries without rules of their own,
and entry points call these ports directly.
"""
