"""``hookward demo``: the whole service at work on one machine, as a user would see it.

``service`` starts ``hookward serve`` and sends requests to its api; ``receiver`` is an integrator's endpoint that
verifies signatures; ``run`` connects them, prints and checks the result. The demo uses the service over HTTP only.
"""
