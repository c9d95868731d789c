"""Webhooks: what jobs tell is posted to receivers that the operator has named, at least once.

``webhook`` has the settings of one, and says which messages it wants; ``cooldown`` leaves out repetitions.
``occurrences`` says what a message tells, and gives it an id. ``delivery_table`` has what is stored, and ``storing``
writes it. ``receiver`` posts, and ``outcome`` says what came of it. ``sender`` and ``back_off`` decide when it is tried
again. ``trial`` has the message of a test. ``webhooks`` is the actor that joins them.
"""
