"""Webhooks: what jobs tell is posted to receivers that the operator has named, at least once.

``webhook`` has what is set of one and which messages it wants, ``delivery_table`` what is stored, ``receiver`` posts,
``sender`` decides when, ``webhooks`` is the actor that joins them.
"""
