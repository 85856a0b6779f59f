"""The pure core: what a change event, a watch, a delivery and an outcome *are*, and every rule about them.

Lives here: values and functions of values. May not live here: I/O, clocks, randomness, logging, settings, and any
import from the layers above. Time and chance come in as arguments.
"""
