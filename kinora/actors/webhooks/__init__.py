"""Webhooks: what jobs tell is posted to receivers that the operator has named, at least once.

``webhook`` has what is set of one and which messages it wants, ``cooldown`` which of these it leaves out,
``occurrences`` what messages tell, and their ids; ``delivery_table`` what is stored. ``receiver`` posts, and
``outcome`` says what came of it; ``sender`` and ``back_off`` decide when it is tried again; ``trial`` tests.
``webhooks`` is the actor that joins them.
"""
