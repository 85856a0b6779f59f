"""``hookward demo``: the whole service at work on one machine, as a user would see it.

``service`` starts ``hookward serve`` and speaks to its api; ``receiver`` is an integrator's endpoint that verifies what
it gets; ``show`` prints; ``run`` puts them together and judges. Nothing here reaches into the service: what the demo
shows, anybody can do over HTTP.
"""
