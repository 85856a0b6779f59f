"""The pure core: what a change event, a watch, a delivery and an outcome *are*, and every rule about them.

Belongs here: values and functions of values. Does not belong here: I/O, clocks, randomness, logging, settings, and any
import from the layers above. Times and random bytes are passed as arguments.
"""
